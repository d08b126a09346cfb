//! The way to registries: time-outs, size limits, redirects by rule, and no credential to any other origin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::guard::{Guard, Resolver};
use super::reply::Reply;
use super::trouble;
use crate::why::answer::Trouble;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request may take, up to the last byte of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects that are followed: registries need one, mirrors before them another.
const MOST_REDIRECTS: usize = 4;

/// What kinds of manifest container runtimes take, and any other, so that the registry tells which it has.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest,
    /// Where it is kept is often another host, behind an address that only GET opens.
    Blob,
    Token,
}

impl Kind {
    /// The longest answer that is read.
    fn longest(self) -> usize {
        match self {
            Self::Manifest => 4 << 20,
            Self::Blob => 1 << 20,
            Self::Token => 256 << 10,
        }
    }
}

/// What a request says of its sender.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    Nobody,
    Basic(String, SecretString),
    Bearer(SecretString),
}

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// PEM file of certificate authorities that are trusted besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// Which addresses are asked.
    pub guard: Guard,
}

/// Why no registry can be reached at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// The HTTP client.
#[derive(Clone)]
pub struct Transport {
    client: Client,
    guard: Arc<Guard>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    /// Prepares it.
    ///
    /// # Errors
    /// [`Unusable`] when the CA file or the proxy's address cannot be used.
    pub fn new(options: TransportOptions) -> Result<Self, Unusable> {
        let guard = Arc::new(options.guard);
        let mut builder = Client::builder()
            .user_agent(concat!("pullmint/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .dns_resolver(Arc::new(Resolver(Arc::clone(&guard))));
        if let Some(file) = &options.ca_file {
            let wrong = |why: String| Unusable(format!("--ca-file {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client =
            builder.build().map_err(|error| Unusable(format!("could not prepare the HTTP client: {error}")))?;
        Ok(Self { client, guard })
    }

    /// Sends a question and reads the answer, following redirects but for tokens.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn send(&self, method: Method, url: Url, auth: &Auth, kind: Kind) -> Result<Reply, Trouble> {
        let origin = url.origin();
        let mut url = url;
        for _ in 0..=MOST_REDIRECTS {
            let is_elsewhere = url.origin() != origin;
            let mut request = self.client.request(method.clone(), url.clone()).header(ACCEPT, MANIFESTS);
            request = match auth {
                // The credential is for the registry that was named, and for nobody that it names.
                _ if is_elsewhere => request,
                Auth::Nobody => request,
                Auth::Basic(user, password) => request.basic_auth(user, Some(password.expose_secret())),
                Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
            };
            let reply = self.execute(request, kind).await?;
            let Some(next) = reply.status.is_redirection().then(|| reply.headers.get(LOCATION)).flatten() else {
                return Ok(Reply { is_elsewhere, ..reply });
            };
            // Signed addresses of storage answer to GET alone: that there is one says enough.
            if kind == Kind::Token || (kind == Kind::Blob && method == Method::HEAD) {
                return Ok(reply);
            }
            url = redirected(&url, next)?;
        }
        Err(Trouble::Other(format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    /// Sends a form to a token endpoint.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<Reply, Trouble> {
        self.execute(self.client.post(url).form(form), Kind::Token).await
    }

    async fn execute(&self, request: RequestBuilder, kind: Kind) -> Result<Reply, Trouble> {
        let unsendable = |_| Trouble::Other("the credential has characters that no HTTP request can carry".to_owned());
        let request = request.build().map_err(unsendable)?;
        let url = request.url().clone();
        self.guard.check(&url).map_err(Trouble::Forbidden)?;
        let mut response = self.client.execute(request).await.map_err(|error| trouble::of(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble::of(&error))? {
            if body.len() + chunk.len() > kind.longest() {
                return Err(Trouble::Other(format!("its answer is longer than {} KiB", kind.longest() >> 10)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: body.into(), url, is_elsewhere: false })
    }
}

fn redirected(from: &Url, location: &HeaderValue) -> Result<Url, Trouble> {
    let next = location.to_str().ok().and_then(|location| from.join(location).ok());
    let next = next.ok_or_else(|| Trouble::Other("it redirects to what is no address".to_owned()))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        _ => Err(Trouble::Other("it redirects to an address without TLS".to_owned())),
    }
}
