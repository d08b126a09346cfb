//! What may be known of a running pullmint from outside: metrics, health, and the status as JSON and as a page.
//!
//! ```text
//! connection ─► door: so many, so long ─► TLS ─► path ─► review of the token ─► answer, made of one Status
//!                                     (if told to)            (if told to)
//! ```
//!
//! Nothing can be changed from here, and nothing here holds a secret. Whoever asks slowly, or asks nothing at all, costs
//! one of the door's places for a while, and nobody else waits for it.

mod door;
pub mod health;
pub mod page;
mod review;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::{fmt, io};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve as serve_http};
use kube::Client;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::settings::{Admin, TlsFiles};
use crate::metrics::Metrics;
use crate::status::Status;
use door::Door;
use health::Check;
use page::View;
use review::Reviewer;
use tls::Tls;
pub use tls::UnusableTls;

/// Tells the status of this instant.
pub type Snapshot = Arc<dyn Fn() -> Status + Send + Sync>;

/// How to serve, and with what.
#[derive(Clone)]
pub struct Options {
    /// As configured. The listener is bound already: [`bind`].
    pub settings: Admin,
    /// The way to the API server, which is asked about tokens.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Listens at the address; where the kernel knows no IPv6, `[::]` is every address of IPv4.
///
/// # Errors
/// If the address is taken, forbidden, or none of this machine's.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if address.ip().is_unspecified() && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Whether HTTPS can be served with these files.
///
/// # Errors
/// Why not.
pub async fn try_tls(files: &TlsFiles) -> Result<(), UnusableTls> {
    tls::probe(files).await
}

/// Serves for ever.
pub async fn serve(listener: TcpListener, options: Options, snapshot: Snapshot, metrics: Metrics) {
    let Options { settings, client, clock } = options;
    let reviewer = settings.authenticate.then(|| Arc::new(Reviewer::new(client, clock)));
    let door = Door::new(listener, settings.tls.map(Tls::new));
    let _never = serve_http(door, router(Source { snapshot, metrics }, reviewer)).await;
}

/// What answers are made of.
#[derive(Clone)]
struct Source {
    snapshot: Snapshot,
    metrics: Metrics,
}

fn router(source: Source, reviewer: Option<Arc<Reviewer>>) -> Router {
    let open = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz));
    let guarded =
        Router::new().route("/", get(page)).route("/metrics", get(metrics)).route("/status.json", get(status_json));
    let guarded = match reviewer {
        Some(reviewer) => guarded.route_layer(from_fn_with_state(reviewer, only_who_may)),
        None => guarded,
    };
    open.merge(guarded).fallback(nothing_here).layer(map_response(secured)).with_state(source)
}

async fn livez(State(source): State<Source>, uri: Uri) -> Response {
    checked("livez", &health::live(&(source.snapshot)()), &uri)
}

async fn readyz(State(source): State<Source>, uri: Uri) -> Response {
    checked("readyz", &health::ready(&(source.snapshot)()), &uri)
}

fn checked(endpoint: &str, checks: &[Check], uri: &Uri) -> Response {
    let healthy = checks.iter().all(|check| check.failure.is_none());
    let code = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = match parameter(uri, "verbose") {
        Some(_) => health::verbose(endpoint, checks),
        None => health::brief(checks),
    };
    (code, text).into_response()
}

async fn page(State(source): State<Source>, uri: Uri) -> Response {
    let view =
        View { namespace: parameter(&uri, "namespace"), still: parameter(&uri, "refresh").is_some_and(|r| r == "off") };
    Html(page::render(&(source.snapshot)(), &view)).into_response()
}

async fn metrics(State(source): State<Source>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (kind, text) = source.metrics.answer(&(source.snapshot)(), accept);
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn status_json(State(source): State<Source>) -> Response {
    match serde_json::to_string_pretty(&(source.snapshot)()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("could not write the status: {error}\n")).into_response()
        }
    }
}

async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "there are /, /status.json, /metrics, /livez and /readyz\n").into_response()
}

async fn only_who_may(State(reviewer): State<Arc<Reviewer>>, request: Request, next: Next) -> Response {
    match reviewer.review(request.headers(), request.uri().path()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// One answer a connection; and whatever a browser makes of it, it runs no script, loads nothing, and keeps nothing.
async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY.clone());
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What a query says of a parameter; the empty text if it only names it.
fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
