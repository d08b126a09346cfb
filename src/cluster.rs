//! The way to the API server, and pullmint's own place there.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tower::{BoxError, ServiceBuilder};

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a kubeconfig nor a Pod's ServiceAccount.
    #[error("found no cluster: neither a kubeconfig (KUBECONFIG, ~/.kube/config) nor a Pod's ServiceAccount")]
    NoCluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The configuration cannot be used.
    #[error("could not use the cluster's configuration")]
    Client(#[source] kube::Error),
    /// The kubeconfig names a proxy.
    #[error("the kubeconfig's `proxy-url` is not supported: run pullmint where it reaches the API server directly")]
    Proxy,
    /// The kubeconfig's `tls-server-name` is none.
    #[error("the kubeconfig's `tls-server-name` is no server's name: {0}")]
    ServerName(String),
}

/// A watch on which nothing came for so long is dead: the API server sends a bookmark every minute.
const SILENCE: Duration = Duration::from_secs(100);

/// How often a connection is asked for a sign of life, and how long it may take to give one.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that may be under way to us: a page of a list should not have to wait for a round trip.
const WINDOW: u32 = 1024 * 1024;

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// pullmint's own namespace: the Pod's, or the kubeconfig context's.
    pub namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Connects as the kubeconfig says, or as the Pod's ServiceAccount where there is none.
///
/// # Errors
/// [`ClusterError`].
pub async fn connect() -> Result<Cluster, ClusterError> {
    let config = match Kubeconfig::read() {
        Ok(kubeconfig) => {
            let proxy = own_proxy(&kubeconfig);
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let mut config = config.map_err(|error| ClusterError::NoCluster(error.into()))?;
            config.proxy_url = proxy.and_then(|proxy| proxy.parse().ok());
            config
        }
        Err(_) => {
            let mut config = Config::incluster().map_err(|error| ClusterError::NoCluster(error.into()))?;
            config.proxy_url = None;
            config
        }
    };
    let namespace = config.default_namespace.clone();
    Ok(Cluster { client: client(config)?, namespace })
}

/// A client over HTTP/2: all requests and watches share one connection, where kube's own client opens one for each that
/// is in flight. Against the same API server that is a quarter more writes a second, and less memory.
///
/// It leaves retrying to its caller, and does not trust a silent connection for ever.
///
/// # Errors
/// If the configuration cannot be used.
pub fn client(config: Config) -> Result<Client, ClusterError> {
    if config.proxy_url.is_some() {
        return Err(ClusterError::Proxy);
    }
    let mut tls = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config().map_err(ClusterError::Client)?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|_| ClusterError::ServerName(name.clone()))?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(tls.enable_http1().enable_http2().wrap_connector(tcp));
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    connector.set_read_timeout(Some(SILENCE));
    let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PONG_WITHIN)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOW)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(ClusterError::Client)?)
        .layer(config.extra_headers_layer().map_err(ClusterError::Client)?)
        .map_response(with_patience)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

/// The API server throttles in plain text and names the time in a header, which the client library would drop: it keeps
/// of a refusal only what is in a `Status`. So this makes one.
fn with_patience(response: Response<Incoming>) -> Response<UnsyncBoxBody<Bytes, BoxError>> {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) = (response.status(), seconds) else {
        return response.map(|body| body.map_err(Into::into).boxed_unsync());
    };
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "the API server asks for patience",
        "reason": "TooManyRequests",
        "details": { "retryAfterSeconds": seconds },
        "code": StatusCode::TOO_MANY_REQUESTS.as_u16(),
    });
    response.map(|_| Full::from(status.to_string()).map_err(Into::into).boxed_unsync())
}

/// HTTPS_PROXY is the way to registries and clouds. The API server is asked through a proxy only where the
/// kubeconfig says so.
fn own_proxy(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *current)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone()
}
