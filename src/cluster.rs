//! The way to the API server, and pullmint's own place there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::{ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tower::util::MapResponseLayer;

use crate::clock::Clock;
use crate::pulse::Pulses;

mod listening;

use listening::Listening;

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a kubeconfig nor a Pod's ServiceAccount.
    #[error("found no cluster: neither a kubeconfig (KUBECONFIG, ~/.kube/config) nor a Pod's ServiceAccount")]
    NoCluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kubeconfig, or the context of it that was asked for.
    #[error("could not use the kubeconfig")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The configuration cannot be used.
    #[error("could not use the cluster's configuration")]
    Client(#[source] kube::Error),
}

/// A watch on which nothing came for so long is dead: it was asked for a shorter time.
const SILENCE: Duration = Duration::from_secs(100);

/// A watch that is silent for longer is deaf: the time until it is noticed and begun anew, and some more.
pub const DEAF_AFTER: Duration = Duration::from_secs(180);

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
pub async fn connect(clock: &Arc<dyn Clock>, pulses: &Pulses) -> Result<Cluster, ClusterError> {
    connect_to(None, None, clock, pulses).await
}

/// The same with a kubeconfig or a context of it that the user chose.
///
/// # Errors
/// [`ClusterError`].
pub async fn connect_to(
    file: Option<&Path>,
    context: Option<&str>,
    clock: &Arc<dyn Clock>,
    pulses: &Pulses,
) -> Result<Cluster, ClusterError> {
    let kubeconfig = match file {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let config = match kubeconfig {
        Ok(mut kubeconfig) => {
            if let Some(context) = context {
                kubeconfig.current_context = Some(context.to_owned());
            }
            let proxy = own_proxy(&kubeconfig);
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let mut config = config.map_err(ClusterError::Kubeconfig)?;
            config.proxy_url = proxy.and_then(|proxy| proxy.parse().ok());
            config
        }
        Err(error) if file.is_some() || context.is_some() => return Err(ClusterError::Kubeconfig(error)),
        Err(_) => {
            let mut config = Config::incluster().map_err(|error| ClusterError::NoCluster(error.into()))?;
            config.proxy_url = None;
            config
        }
    };
    let namespace = config.default_namespace.clone();
    Ok(Cluster { client: client(config, clock, pulses)?, namespace })
}

/// A client that leaves retrying to its caller and does not trust a silent connection for ever. What comes on its
/// watches counts as their signs of life.
///
/// # Errors
/// If the configuration cannot be used.
pub fn client(mut config: Config, clock: &Arc<dyn Clock>, pulses: &Pulses) -> Result<Client, ClusterError> {
    // The syncer retries by itself: with its own back-off, without holding one of the few places in flight meanwhile.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = config.read_timeout.or(Some(SILENCE));
    let builder = ClientBuilder::try_from(config).map_err(ClusterError::Client)?;
    let listening = Listening { pulses: pulses.clone(), clock: Arc::clone(clock) };
    Ok(builder.with_layer(&MapResponseLayer::new(with_patience)).with_layer(&listening).build())
}

/// The API server throttles in plain text and names the time in a header, which the client library would drop: it keeps
/// of a refusal only what is in a `Status`. So this makes one.
fn with_patience(response: Response<Box<DynBody>>) -> Response<Box<DynBody>> {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) = (response.status(), seconds) else { return response };
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "the API server asks for patience",
        "reason": "TooManyRequests",
        "details": { "retryAfterSeconds": seconds },
        "code": StatusCode::TOO_MANY_REQUESTS.as_u16(),
    });
    response.map(|_| {
        let body = Full::from(status.to_string()).map_err(Into::into);
        Box::new(body) as Box<DynBody>
    })
}

/// HTTPS_PROXY is the way to registries and clouds. The API server is asked through a proxy only where the
/// kubeconfig says so.
fn own_proxy(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *current)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone()
}
