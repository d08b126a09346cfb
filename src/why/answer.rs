//! What a registry answered, as far as a verdict depends on it. Pure data: no address, token or body of anybody.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// The end of one question: an image, asked for with one credential or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// What was asked and answered, in order, for people: `HEAD https://…/manifests/1: 401 Unauthorized`.
    pub trail: Vec<String>,
    /// The pulls that are left, where the registry counts them.
    pub quota: Option<Quota>,
    /// The registry's clock.
    pub date: Option<Timestamp>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The image is there and may be pulled.
    Found(Manifest),
    /// The caller may look, and it is not there.
    Missing(Missing),
    /// The user name or password was refused.
    LoginRefused(Words),
    /// Whoever asked may not pull this, or the registry does not say whether it exists.
    Denied(Words),
    /// Too many pulls.
    Throttled(Words, Option<Duration>),
    /// The registry is in trouble.
    Failing(u16),
    /// No answer.
    Unreachable(Trouble),
    /// An answer that no registry should give.
    Odd(String),
}

/// A manifest that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: Option<String>,
    /// What it can run on; `None` where that was not read.
    pub platforms: Option<Vec<Platform>>,
    /// A blob of it that the registry does not have.
    pub missing_blob: Option<String>,
    /// Why no container runtime takes it.
    pub unsupported: Option<String>,
}

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The repository.
    Repository,
    /// The tag or digest, in a repository that exists.
    Manifest {
        /// The repository's tags, as far as they were listed.
        tags: Vec<String>,
    },
    /// One of the two.
    Either,
}

/// A registry's own words for an error, shortened, and left out where they repeat a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The status.
    pub status: u16,
    /// `DENIED`, `UNAUTHORIZED`, …
    pub code: String,
    /// The message.
    pub message: String,
}

impl Words {
    /// Whether any of these texts, in lower case, stands in them.
    #[must_use]
    pub fn say(&self, texts: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        texts.iter().any(|text| message.contains(text))
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => Ok(()),
            ("", message) => write!(f, " \"{message}\""),
            (code, "") => write!(f, " {code}"),
            (code, message) => write!(f, " {code} \"{message}\""),
        }
    }
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The host has no address.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    Timeout,
    /// The connection ended.
    Reset,
    /// The certificate is not good.
    Certificate(Flaw),
    /// TLS does not come about otherwise.
    Tls(String),
    /// The other side speaks plain HTTP.
    PlainHttp,
    /// The proxy did not connect.
    Proxy,
    /// The host is at an address that is not asked.
    Forbidden(Forbidden),
    /// Anything else.
    Other(String),
}

/// A host at an address that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The host.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// What the address is.
    pub standing: Standing,
}

/// What an address is that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In this private network, which may be allowed.
    Private(String),
    /// The machine itself, by this network, which may be allowed.
    Loopback(String),
    /// Where no registry is, but perhaps a metadata service.
    Never,
}

impl Forbidden {
    /// What makes the address be asked.
    #[must_use]
    pub fn permission(&self) -> Option<String> {
        match &self.standing {
            Standing::Private(network) | Standing::Loopback(network) => Some(format!("--allow-network {network}")),
            Standing::Never => None,
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, standing } = self;
        let what = match standing {
            Standing::Private(_) => "a private address",
            Standing::Loopback(_) => "the address of whatever machine asks",
            Standing::Never => "an address where no registry is",
        };
        match host.trim_matches(['[', ']']) == address.to_string() {
            true => write!(f, "{host} is {what}, ")?,
            false => write!(f, "{host} stands at {address}, {what}, ")?,
        }
        match self.permission() {
            Some(permission) => write!(f, "which is not asked without {permission}"),
            None => f.write_str("which is not asked"),
        }
    }
}

impl std::error::Error for Forbidden {}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Signed by nobody known.
    UnknownIssuer,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// Something else.
    Other,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host has no address (DNS)",
            Self::Refused => "the connection was refused",
            Self::Timeout => "no answer in time",
            Self::Reset => "the connection was cut",
            Self::Certificate(Flaw::UnknownIssuer) => {
                "its certificate is signed by an authority that is not known here"
            }
            Self::Certificate(Flaw::Expired) => "its certificate has expired",
            Self::Certificate(Flaw::NotYetValid) => "its certificate is not valid yet, by this machine's clock",
            Self::Certificate(Flaw::WrongName) => "its certificate is for another name",
            Self::Certificate(Flaw::Other) => "its certificate is not good",
            Self::PlainHttp => "it speaks plain HTTP where HTTPS is expected",
            Self::Proxy => "the proxy did not connect to it",
            Self::Forbidden(forbidden) => return forbidden.fmt(f),
            Self::Tls(why) | Self::Other(why) => return f.write_str(why),
        })
    }
}

/// A count of pulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Pulls in a window, where the registry says so.
    pub limit: Option<u64>,
    /// Pulls left.
    pub remaining: u64,
    /// The window, in seconds.
    pub window_seconds: Option<u64>,
    /// Whose pulls are counted: an address or an account.
    pub source: Option<String>,
}

/// What a program runs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `amd64`
    pub architecture: String,
    /// `v7`, where it matters.
    pub variant: Option<String>,
}

impl Platform {
    /// Whether a node of this platform runs an image of that one.
    ///
    /// A node tells no variant of itself, so an image's does not count.
    #[must_use]
    pub fn runs(&self, image: &Self) -> bool {
        self.os == image.os && self.architecture == image.architecture
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}
