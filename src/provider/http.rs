//! The one HTTP client for registries and clouds: trust, proxies, time-outs and size limits live here.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, Request, Url};

use super::{MintError, Reason};
use crate::causes;

pub mod answer;

pub use answer::Answer;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request may take, up to the last byte of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer that is read. The longest lawful ones, lists of tokens, stay far below.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What lies between pullmint and the clouds.
#[derive(Clone, Debug)]
pub struct Network {
    /// PEM file of certificate authorities that are trusted besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// Through which all traffic goes. `None`: as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    pub proxy: Option<Url>,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Network {
    /// As the environment has it.
    #[must_use]
    pub fn from_env(ca_file: Option<&Path>) -> Self {
        Self { ca_file: ca_file.map(Path::to_owned), proxy: None, timeout: REQUEST_TIMEOUT }
    }
}

/// The client. Cheap to clone; all clones share connections and the parsed trust store.
///
/// It follows no redirect, so a credential never travels to a host that nobody checked.
#[derive(Clone)]
pub struct Http {
    client: Client,
    /// For the metadata services at link-local addresses. A proxy would answer for its own machine.
    nearby: Client,
    timeout: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// The client for this network.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`] when the CA file cannot be used, or when nothing at all is trusted.
    pub fn new(network: &Network) -> Result<Self, MintError> {
        let extra = network.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let timeout = network.timeout;
        let mut builder = basics(timeout).tls_certs_merge(extra);
        if let Some(proxy) = &network.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(unusable)?);
        }
        let client = builder.build().map_err(unusable)?;
        let nearby = match network.proxy {
            Some(_) => client.clone(),
            // They speak plain HTTP only: no reason to keep another trust store in memory.
            None => basics(timeout).no_proxy().tls_certs_only([]).build().map_err(unusable)?,
        };
        Ok(Self { client, nearby, timeout })
    }

    /// How long a cloud may take for an answer that needs several requests.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.timeout + self.timeout / 2
    }

    /// Starts a request.
    pub fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`Reason::Unreachable`] without an answer; [`Reason::Unexpected`] when it is too long or breaks off.
    pub async fn send(&self, attempt: &str, request: reqwest::RequestBuilder) -> Result<Answer, MintError> {
        let request = request.build().map_err(|error| {
            MintError::new(
                Reason::Misconfigured,
                attempt.to_owned(),
                "check the configured addresses and names for characters that no HTTP request can carry",
            )
            .caused_by(error.without_url())
        })?;
        self.execute(attempt, request).await
    }

    /// As [`Http::send`], for a request that someone else built.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn execute(&self, attempt: &str, request: Request) -> Result<Answer, MintError> {
        let place = place(request.url());
        let client = if is_link_local(request.url()) { &self.nearby } else { &self.client };
        let mut response = client.execute(request).await.map_err(|error| unreachable_host(attempt, &place, error))?;
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_ANSWER => {
                    return Err(answer::nonsense(attempt, format!("{place} answered more than 1 MiB")));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Err(unreachable_host(attempt, &place, error)),
                Err(_) => return Err(answer::nonsense(attempt, format!("{place}'s answer broke off"))),
            }
        }
        Ok(Answer::new(place, response.status(), response.headers().clone(), body))
    }
}

fn basics(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("pullmint/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
}

fn certificates(ca_file: &Path) -> Result<Vec<Certificate>, MintError> {
    let attempt = format!("read the certificate authorities in {}", ca_file.display());
    let wrong = |remedy: &'static str| MintError::new(Reason::Misconfigured, attempt.clone(), remedy);
    let pem = std::fs::read(ca_file)
        .map_err(|error| wrong("let `ca_file` name a PEM file that pullmint's user may read").caused_by(error))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong("`ca_file` must hold certificates in PEM form").caused_by(error))?;
    if certificates.is_empty() {
        return Err(wrong("`ca_file` holds no `-----BEGIN CERTIFICATE-----`: put the CA's certificate there"));
    }
    Ok(certificates)
}

fn unusable(error: reqwest::Error) -> MintError {
    MintError::new(
        Reason::Misconfigured,
        "prepare the HTTP client",
        "check the CA certificates of the image or set `ca_file`, and check HTTPS_PROXY and NO_PROXY",
    )
    .caused_by(error)
}

/// The host and port of an address: what may be said of it in public.
fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or("an address without host"))
}

fn is_link_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        // EC2 and EKS use unique local addresses under fd00:ec2::/32 beside link-local ones.
        Ok(IpAddr::V6(ip)) => ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => false,
    }
}

fn unreachable_host(attempt: &str, place: &str, error: reqwest::Error) -> MintError {
    let error = error.without_url();
    let remedy = if error.is_timeout() {
        format!("{place} did not answer in time: check network policies, the firewall and HTTPS_PROXY")
    } else if causes::each(&error).any(|cause| cause.to_string().contains("certificate")) {
        format!("let `ca_file` name the certificate authority that {place} or the proxy before it uses")
    } else {
        format!("check the spelling of {place}, DNS, network policies, the firewall and HTTPS_PROXY")
    };
    MintError::new(Reason::Unreachable, attempt.to_owned(), remedy).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_never_asked_through_a_proxy() {
        let link_local = |url: &str| is_link_local(&url.parse().expect("a URL"));
        assert!(link_local("http://169.254.169.254/metadata/identity/oauth2/token"));
        assert!(link_local("http://169.254.170.23/v1/credentials"));
        assert!(link_local("http://[fd00:ec2::23]/v1/credentials"));
        assert!(!link_local("https://api.ecr.eu-west-1.amazonaws.com/"));
        assert!(!link_local("http://127.0.0.1:8080/"));
    }

    #[test]
    fn a_ca_file_that_is_none_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "no PEM").expect("written");
        let network = Network::from_env(Some(file.path()));
        let error = Http::new(&network).expect_err("no certificate");
        assert_eq!(error.reason, Reason::Misconfigured);
        assert!(error.remedy.contains("BEGIN CERTIFICATE"), "{}", error.remedy);
    }
}
