//! What a running pullmint says of the Secrets that it keeps: its status, asked through the API server.
//!
//! It is a help and no need: whoever may not ask, or has no pullmint, goes without. Anybody who may make a pod can pass
//! for a pullmint, so its words are told as its words, and never as a cure.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use tokio::time::timeout;

use crate::why::reference::Reference;

/// How long a pullmint may take to tell its status.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pods that are asked.
const MOST_PODS: u32 = 10;
/// How charts and manifests label pullmint's pods.
const PODS: &str = "app.kubernetes.io/name=pullmint";

/// What the leading pullmints of a cluster say.
#[derive(Clone, Debug, Default)]
pub struct Kept(Vec<Status>);

/// As much of `/status.json` as matters here.
#[derive(Clone, Debug, Deserialize)]
struct Status {
    namespace: String,
    leadership: Leadership,
    registries: Vec<Registry>,
    namespaces: Vec<Namespace>,
}

#[derive(Clone, Debug, Deserialize)]
struct Leadership {
    role: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Registry {
    name: String,
    hosts: Vec<String>,
    secret: String,
    failure: Option<Failure>,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    message: String,
    remedy: String,
    consecutive: u32,
    since: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
struct Namespace {
    name: String,
    secrets: Vec<Copy>,
}

#[derive(Clone, Debug, Deserialize)]
struct Copy {
    name: String,
    problem: Option<String>,
}

/// What is the matter with a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The namespace of the pullmint that keeps it.
    pub keeper: String,
    /// That pullmint's words.
    pub words: String,
}

impl Kept {
    /// Asks all leading pullmints of the cluster.
    pub async fn ask(client: &Client) -> Self {
        let params = ListParams::default().labels(PODS).fields("status.phase=Running").limit(MOST_PODS);
        let pods = Api::<Pod>::all(client.clone()).list(&params).await.map(|pods| pods.items).unwrap_or_default();
        let told = join_all(pods.iter().filter_map(address).map(|address| status(client, address))).await;
        // A standby knows of no credential.
        Self(told.into_iter().flatten().filter(|status| status.leadership.role == "leader").collect())
    }

    /// What these statuses say; for tests.
    #[cfg(test)]
    pub(super) fn of(status: &serde_json::Value) -> Self {
        Self(vec![serde_json::from_value(status.clone()).expect("a status")])
    }

    /// What is the matter with that one of `secrets` that a pullmint keeps for this image.
    pub fn trouble(&self, image: &Reference, namespace: &str, secrets: impl Fn(&str) -> bool) -> Option<Trouble> {
        self.0.iter().find_map(|status| {
            let registry =
                status.registries.iter().find(|registry| registry.opens(image) && secrets(&registry.secret))?;
            let words = registry.failure().or_else(|| status.problem(namespace, &registry.secret))?;
            Some(Trouble { keeper: plain(&status.namespace), words: plain(&words) })
        })
    }
}

impl Registry {
    fn opens(&self, image: &Reference) -> bool {
        let host = if image.is_docker_hubs() { "index.docker.io" } else { &image.domain };
        self.hosts.iter().any(|other| other == host)
    }

    fn failure(&self) -> Option<String> {
        let Failure { message, remedy, consecutive, since } = self.failure.as_ref()?;
        let times = if *consecutive == 1 { "once".to_owned() } else { format!("{consecutive} times") };
        let name = &self.name;
        Some(format!("the renewal of registry {name} has failed {times} since {since:.0}: {message}; to do: {remedy}"))
    }
}

impl Status {
    fn problem(&self, namespace: &str, secret: &str) -> Option<String> {
        let copies = self.namespaces.iter().filter(|other| other.name == namespace).flat_map(|other| &other.secrets);
        let problem = copies.into_iter().find(|copy| copy.name == secret)?.problem.as_ref()?;
        Some(format!("Secret {secret} in {namespace}: {problem}"))
    }
}

/// Nothing in it moves a terminal's cursor.
fn plain(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn status(client: &Client, address: String) -> Option<Status> {
    let request = http::Request::get(address).body(Vec::new()).ok()?;
    timeout(PATIENCE, client.request(request)).await.ok()?.ok()
}

/// The address of a pod's status below the API server's.
fn address(pod: &Pod) -> Option<String> {
    let container = pod.spec.as_ref()?.containers.first()?;
    let port = container.ports.as_ref()?.first()?.container_port;
    let probe = container.liveness_probe.as_ref().and_then(|probe| probe.http_get.as_ref());
    let is_tls = probe.and_then(|probe| probe.scheme.as_deref()) == Some("HTTPS");
    let scheme = if is_tls { "https:" } else { "" };
    let (namespace, name) = (pod.namespace()?, pod.name_any());
    Some(format!("/api/v1/namespaces/{namespace}/pods/{scheme}{name}:{port}/proxy/status.json"))
}
