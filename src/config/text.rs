//! The kinds of text that stand in files, and what makes each a valid one. A kind's name is its `format` in the
//! schema, and by that name a value is checked where it stands.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Flaw;
use super::selector::Selector;
use super::settings::STATE_SECRET;
use crate::cron::Ticks;
use crate::network;
use crate::registry::Host;

type Verdict = Result<(), Flaw>;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $format:literal $check:expr;)+) => {
        $($(#[doc = $doc])+
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline, extend("format" = $format))]
        pub(super) struct $name(pub(super) String);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        })+

        /// Whether a text is a valid one of its kind.
        pub(super) fn check(format: &str, text: &str) -> Verdict {
            match format {
                $($format => $check(text),)+
                _ => Ok(()),
            }
        }

        /// What a kind of text is, in words.
        pub(super) fn describe(format: &str) -> Option<&'static str> {
            match format {
                $($format => Some(concat!($($doc),+)),)+
                _ => None,
            }
        }
    };
}

kinds! {
    /// A name of a Kubernetes object: a DNS subdomain.
    Name "kubernetes-name" name;
    /// A name of a Secret for pulling: a DNS subdomain, but not `pullmint-state`, which is taken.
    SecretName "pull-secret-name" secret_name;
    /// A glob, as `team-*` or `{dev,test}-?`.
    Glob "glob" glob;
    /// A Kubernetes label selector, as `team=web,env in (dev,prod),!legacy`.
    Labels "label-selector" |text: &str| Ok(text.parse::<Selector>().map(drop)?);
    /// A cron expression with five or six fields.
    Cron "cron" |text: &str| cron(text).map(drop);
    /// The host of a registry, with its port if it has one.
    Server "registry-host" server;
    /// An address and a port, as `127.0.0.1:8080` or `[::]:8080`.
    Address "socket-address" |text: &str| address(text).map(drop);
    /// A network by its first address and the length of its prefix, as `10.20.0.0/16` or `fd12:3456::/32`.
    Network "network" network;
    /// A path; a relative one begins at the directory of the configuration.
    File "file" file;
    /// An http or https URL.
    Url "uri" |text: &str| url(text, &["http", "https"]);
    /// Any text but an empty one.
    Text "text" some;
    /// `eu-west-1`.
    Region "aws-region" region;
    /// The 12 digits of an AWS account.
    AccountId "aws-account" account;
    /// `arn:aws:iam::123456789012:role/NAME`.
    RoleArn "aws-role-arn" role_arn;
    /// 2 to 64 letters, digits and `_+=,.@-`.
    SessionName "aws-session-name" session_name;
    /// `/subscriptions/…`.
    ArmId "azure-resource-id" arm_id;
    /// `public`, `us-government`, `china`, or the https URL of another authority.
    Authority "azure-cloud" authority;
    /// A repository's path, without its registry.
    Repository "repository" repository;
    /// A Docker ID or the name of an organization.
    DockerId "docker-id" docker_id;
    /// `ORG/REPO`, `ORG/*` or `*/*/public`.
    HubRepository "docker-hub-repository" hub_repository;
    /// A duration, as `90m`, `24h` or `30 days`.
    Lifetime "lifetime" |text: &str| lifetime(text).map(drop);
    /// A point in time with its offset, as `2027-01-31T12:00:00Z`.
    Moment "date-time" moment;
    /// A UUID.
    Uuid "uuid" uuid;
    /// A level, or directives by module, as `info,pullmint::sync=debug`.
    LogFilter "log-filter" log_filter;
}

impl Default for Authority {
    fn default() -> Self {
        "public".into()
    }
}

fn demand(holds: bool, otherwise: &str) -> Verdict {
    if holds { Ok(()) } else { Err(Flaw::new(otherwise)) }
}

/// Whether a text is a DNS label in the strict sense of Kubernetes: lower case.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn name(text: &str) -> Verdict {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part =
        |part: &str| !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    demand(text.len() <= 253 && text.split('.').all(part), "Kubernetes takes no such name")
        .map_err(|flaw| flaw.help("lower-case letters, digits, inner hyphens and dots, at most 253"))
}

fn secret_name(text: &str) -> Verdict {
    name(text)?;
    demand(text != STATE_SECRET, "pullmint keeps its own state in the Secret of this name")
        .map_err(|flaw| flaw.help("give the Secret for pulling another name"))
}

fn server(text: &str) -> Verdict {
    demand(!text.contains('@'), "give the host alone, without user and password")?;
    Ok(text.parse::<Host>().map(drop)?)
}

/// Where to listen: by number, since a name would have to be looked up first.
pub(super) fn address(text: &str) -> Result<SocketAddr, Flaw> {
    text.parse().map_err(|_| Flaw::new("this is no address with a port").help("as `127.0.0.1:8080` or `[::]:8080`"))
}

fn glob(text: &str) -> Verdict {
    some(text)?;
    globset::Glob::new(text).map(drop).map_err(|e| Flaw::new(format!("this is no glob: {}", e.kind())))
}

/// The expression as the scheduler takes it: with seconds. Five fields, which everybody writes, mean "at second 0".
pub(super) fn cron(text: &str) -> Result<String, Flaw> {
    let full = match text.split_whitespace().count() {
        5 => format!("0 {}", text.trim()),
        6 => text.trim().to_owned(),
        n => {
            return Err(Flaw::new(format!("a cron expression has five fields, or six with seconds in front, not {n}"))
                .help("as `0 */6 * * *`: every six hours, in UTC"));
        }
    };
    let ticks = Ticks::parse(&full).map_err(|e| Flaw::new(format!("this is no cron expression: {e}")))?;
    demand(ticks.ever(), "this schedule never ticks: no month has such a day")
        .map_err(|flaw| flaw.help("where both a day of the month and a weekday are given, both must hold"))?;
    Ok(full)
}

fn network(text: &str) -> Verdict {
    // A person who names one address on a command line means that one; in a file it is rather a slip.
    let has_length = text.split_once('/').is_some_and(|(_, bits)| !bits.is_empty());
    let is_one = has_length && text.parse::<network::Network>().is_ok();
    demand(is_one, "this is no network").map_err(|flaw| flaw.help("write it as 10.20.0.0/16 or fd12:3456::/32"))
}

fn file(text: &str) -> Verdict {
    some(text)?;
    demand(!is_token(text) && !text.contains('\n'), "this looks like the secret itself, not like a file that holds it")
        .map_err(|flaw| flaw.help("mount the secret as a file and give its path; then revoke what stood here"))
}

/// Whether a text begins as tokens of Docker, AWS, or a JWT do.
pub(super) fn is_token(text: &str) -> bool {
    ["dckr_pat_", "dckr_oat_", "AKIA", "ASIA", "eyJ"].iter().any(|prefix| text.starts_with(prefix))
}

fn url(text: &str, schemes: &[&str]) -> Verdict {
    let fits = |url: url::Url| schemes.contains(&url.scheme()) && url.has_host() && url.username().is_empty();
    demand(url::Url::parse(text).is_ok_and(fits), "this is no URL as expected here").map_err(|flaw| {
        flaw.help(format!("as `{}://host.example.com`, without user and password", schemes.join("` or `")))
    })
}

fn some(text: &str) -> Verdict {
    demand(!text.trim().is_empty(), "a text is missing between the quotes")
}

fn region(text: &str) -> Verdict {
    let shape = is_label(text) && text.matches('-').count() >= 2 && text.ends_with(|c: char| c.is_ascii_digit());
    demand(shape, "this is no AWS region").map_err(|flaw| flaw.help("as `eu-west-1`"))
}

fn account(text: &str) -> Verdict {
    demand(text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()), "an AWS account has 12 digits")
}

fn role_arn(text: &str) -> Verdict {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", partition, "iam", "", id, role]
        if !partition.is_empty() && account(id).is_ok() && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
    demand(fits, "this is no ARN of a role").map_err(|flaw| flaw.help("as `arn:aws:iam::123456789012:role/NAME`"))
}

fn session_name(text: &str) -> Verdict {
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    demand((2..=64).contains(&text.len()) && fits, "a session name has 2 to 64 letters, digits and `_+=,.@-`")
}

fn arm_id(text: &str) -> Verdict {
    demand(text.to_ascii_lowercase().starts_with("/subscriptions/"), "this is no resource id")
        .map_err(|flaw| flaw.help("as `/subscriptions/…/userAssignedIdentities/NAME`; for a client id use `client_id`"))
}

const CLOUDS: [&str; 3] = ["public", "us-government", "china"];

fn authority(text: &str) -> Verdict {
    if CLOUDS.contains(&text) || url(text, &["https"]).is_ok() {
        return Ok(());
    }
    let help = match super::report::nearest(text, CLOUDS) {
        Some(cloud) => format!("did you mean `{cloud}`?"),
        None => "one of `public`, `us-government`, `china`, or an https URL".to_owned(),
    };
    Err(Flaw::new("there is no such cloud").help(help))
}

fn repository(text: &str) -> Verdict {
    if text.contains('*') {
        return Err(Flaw::new("ACR knows no wildcards").help("name each repository, or leave `repositories` out"));
    }
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    demand(text.split('/').all(|part| !part.is_empty() && part.chars().all(inner)), "this is no repository")
        .map_err(|flaw| flaw.help("as `team/app`: without the registry's host and without a tag"))
}

fn docker_id(text: &str) -> Verdict {
    if text.contains('@') {
        return Err(Flaw::new("a registry login takes the Docker ID, and Docker refuses e-mail addresses there")
            .help("the Docker ID is shown at the top of hub.docker.com, and in image names"));
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    demand(!text.is_empty() && text.chars().all(inner), "this is no Docker ID")
}

fn hub_repository(text: &str) -> Verdict {
    let part = |part: &str| repository(part).is_ok();
    let fits = text == "*/*/public"
        || matches!(text.split('/').collect::<Vec<_>>()[..], [org, repo] if part(org) && (repo == "*" || part(repo)));
    demand(fits, "this is no repository of Docker Hub").map_err(|flaw| flaw.help("`ORG/REPO`, `ORG/*` or `*/*/public`"))
}

/// A duration; days count 24 hours, since tokens know no calendars.
pub(super) fn lifetime(text: &str) -> Result<Duration, Flaw> {
    let parse = |text: &str| {
        let span = jiff::Span::from_str(text)?;
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())
    };
    let duration = parse(text).ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| Flaw::new("this is no duration").help("as `90m`, `24h` or `30 days`"))
}

fn moment(text: &str) -> Verdict {
    demand(text.parse::<jiff::Timestamp>().is_ok(), "this is no point in time with an offset")
        .map_err(|flaw| flaw.help("as `2027-01-31T12:00:00Z`"))
}

fn uuid(text: &str) -> Verdict {
    let lengths = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    demand(lengths && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "this is no UUID")
}

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

fn log_filter(text: &str) -> Verdict {
    some(text)?;
    // To `tracing` any other word is a module's name, and a mistyped level silences everything else.
    let is_word = |part: &&str| part.chars().all(|c| c.is_ascii_alphabetic());
    let mut words = text.split(',').map(str::trim).filter(is_word);
    if let Some(word) = words.find(|word| !LEVELS.contains(&word.to_ascii_lowercase().as_str())) {
        let help = match super::report::nearest(word, LEVELS) {
            Some(level) => format!("did you mean `{level}`?"),
            None => format!("one of `{}`; for a module, as `pullmint::sync=debug`", LEVELS.join("`, `")),
        };
        return Err(Flaw::new(format!("there is no level `{word}`")).help(help));
    }
    demand(tracing_subscriber::EnvFilter::try_new(text).is_ok(), "this is no log filter")
        .map_err(|flaw| flaw.help("as `info,pullmint::sync=debug`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_what_its_system_takes() {
        for (format, valid, invalid) in [
            ("kubernetes-name", vec!["a", "a.b-c"], vec!["", "A", "a_b", "-a", "a."]),
            ("pull-secret-name", vec!["pullmint-ecr"], vec!["A", "pullmint-state"]),
            ("glob", vec!["*", "team-{a,b}", "[a-c]?"], vec!["", "[", "{a"]),
            ("label-selector", vec!["", "a=b"], vec!["a in b"]),
            (
                "cron",
                vec!["0 */6 * * *", "30 0 6 * * MON-FRI", "0 0 29 2 *", "0 0 13 * FRI"],
                vec!["", "* * * *", "60 * * * *", "@daily", "0 0 31 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 MON"],
            ),
            ("registry-host", vec!["a.azurecr.io", "r:5000"], vec!["", "https://a", "u:p@a", "a/b"]),
            (
                "socket-address",
                vec!["[::]:8080", "0.0.0.0:0"],
                vec!["", ":8080", "localhost:8080", "[::]", "::1:8080:"],
            ),
            ("file", vec!["a", "/run/a"], vec!["", "eyJhbGciOi", "a\nb"]),
            ("uri", vec!["http://127.0.0.1:8080", "https://a/b"], vec!["a", "ftp://a", "https://u:p@a"]),
            (
                "aws-region",
                vec!["eu-west-1", "us-gov-west-1", "us-isob-east-1"],
                vec!["", "eu", "Eu-west-1", "eu-west"],
            ),
            ("aws-account", vec!["012345678901"], vec!["1", "01234567890a"]),
            (
                "aws-role-arn",
                vec!["arn:aws-cn:iam::012345678901:role/p/r"],
                vec!["r", "arn:aws:iam::012345678901:user/u"],
            ),
            ("aws-session-name", vec!["pull=a@b"], vec!["a", "a b"]),
            ("azure-resource-id", vec!["/subscriptions/s"], vec!["s"]),
            ("azure-cloud", vec!["china", "https://login.example.com"], vec!["mars", "http://login.example.com"]),
            ("repository", vec!["a", "team/a.b"], vec!["", "a:b", "A", "a//b", "a/*"]),
            ("docker-id", vec!["acme", "a_b"], vec!["", "a@b.c", "a b"]),
            ("docker-hub-repository", vec!["a/b", "a/*", "*/*/public"], vec!["a", "*/*", "*", "a/b/c"]),
            ("lifetime", vec!["24h", "90m", "30 days", "1h 30m", "PT1H"], vec!["", "1", "1 year", "-1h", "soon"]),
            ("date-time", vec!["2027-01-31T12:00:00Z", "2027-01-31T12:00:00+01:00"], vec!["2027-01-31", "tomorrow"]),
            (
                "log-filter",
                vec!["info", "WARN", "info,pullmint::sync=debug", "off,kube_client=trace"],
                vec!["", "inof", "info,,debug,loud", "pullmint=loud", "info=="],
            ),
            ("uuid", vec!["0b2f5c1e-7a53-4d3c-9d1f-3f1f8a1b2c3d"], vec!["", "0b2f5c1e"]),
        ] {
            for text in valid {
                assert!(check(format, text).is_ok(), "{format}: {text}");
            }
            for text in invalid {
                assert!(check(format, text).is_err(), "{format}: {text}");
            }
        }
    }
}
