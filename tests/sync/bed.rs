//! A test bed: one real control plane for all tests of the binary, syncers as a test needs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use pullmint::clock::{Clock, SystemClock};
use pullmint::config::settings::Retired;
use pullmint::keeper::slot::Coverage;
use pullmint::metrics::Metrics;
use pullmint::pulse::Pulses;
use pullmint::sync::incident::Incident;
use pullmint::sync::summary::{ObjectName, Summary};
use pullmint::sync::{Assignment, Reports, Setting, Syncer};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use crate::given::Given;

/// The longest that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot be awaited.
const GLANCE: Duration = Duration::from_millis(20);

/// The owner of most tests' Secrets.
pub(crate) const US: &str = "pullmint-test";

pub(crate) struct Bed {
    pub(crate) client: Client,
}

/// A syncer that runs until it is dropped.
pub(crate) struct Running {
    task: JoinHandle<()>,
    assign: watch::Sender<Assignment>,
    active: watch::Sender<bool>,
    permit: Arc<AtomicBool>,
    summary: watch::Receiver<Summary>,
    pub(crate) coverage: watch::Receiver<Coverage>,
    pub(crate) metrics: Metrics,
    incidents: broadcast::Receiver<Incident>,
}

fn assignment(given: &[&Given], retired: Retired) -> Assignment {
    let claims = given.iter().map(|given| given.claim()).collect();
    Assignment { claims, retired, concurrency: 16, writes_per_second: None }
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let world = world::shared().await.expect("a control plane");
        Self { client: world.control_plane.client().await.expect("a client") }
    }

    pub(crate) async fn namespaces(&self, prefix: &str, count: usize) -> Vec<String> {
        self.labelled_namespaces(prefix, count, &[]).await
    }

    pub(crate) async fn labelled_namespaces(&self, prefix: &str, count: usize, labels: &[(&str, &str)]) -> Vec<String> {
        world::create_namespaces(&self.client, prefix, count, labels).await.expect("namespaces")
    }

    pub(crate) fn sync(&self, given: &[&Given]) -> Running {
        self.sync_as(self.client.clone(), US, given)
    }

    pub(crate) fn sync_as(&self, client: Client, owner: &str, given: &[&Given]) -> Running {
        self.sync_by(Arc::new(SystemClock), client, owner, given)
    }

    pub(crate) fn sync_by(&self, clock: Arc<dyn Clock>, client: Client, owner: &str, given: &[&Given]) -> Running {
        let (told, summary) = watch::channel(Summary::default());
        let (covering, coverage) = watch::channel(Coverage::new());
        let (tell, incidents) = broadcast::channel(64);
        let (assign, assignment) = watch::channel(assignment(given, Retired::default()));
        let (active, activated) = watch::channel(true);
        let permit = Arc::new(AtomicBool::new(true));
        let setting = Setting {
            client,
            clock,
            owner: owner.to_owned(),
            assignment,
            active: activated,
            permit: {
                let permit = Arc::clone(&permit);
                Arc::new(move || permit.load(Ordering::Relaxed))
            },
            deaf_after: PATIENCE,
            stop: CancellationToken::new(),
        };
        let (metrics, pulses) = (Metrics::default(), Pulses::default());
        let reports = Reports { summary: told, coverage: covering, incidents: tell, metrics: metrics.clone(), pulses };
        let task = tokio::spawn(Syncer::new(setting, reports).run().with_current_subscriber());
        Running { task, assign, active, permit, summary, coverage, metrics, incidents }
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        self.secrets(namespace).get_opt(name).await.expect("an answer")
    }

    /// Waits until the Secret's dockerconfigjson is as demanded.
    pub(crate) async fn until_secret(&self, namespace: &str, name: &str, wanted: impl Fn(&str) -> bool) -> Secret {
        let what = format!("Secret {namespace}/{name}, as wanted");
        until(&what, async || {
            let secret = self.secret(namespace, name).await?;
            dockerconfigjson(&secret).is_some_and(|config| wanted(&config)).then_some(secret)
        })
        .await
    }

    pub(crate) async fn until_no_secret(&self, namespace: &str, name: &str) {
        let what = format!("the end of Secret {namespace}/{name}");
        until(&what, async || self.secret(namespace, name).await.is_none().then_some(())).await;
    }

    /// Makes a Secret as `kubectl create` does.
    pub(crate) async fn create_secret(&self, namespace: &str, secret: Value) -> Secret {
        let secret: Secret = serde_json::from_value(secret).expect("a Secret");
        let params = kube::api::PostParams { field_manager: Some("kubectl-create".to_owned()), dry_run: false };
        self.secrets(namespace).create(&params, &secret).await.expect("a new Secret")
    }

    /// Edits a Secret as a user does.
    pub(crate) async fn edit_secret(&self, namespace: &str, name: &str, patch: Value) -> Secret {
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        self.secrets(namespace).patch(name, &params, &Patch::Merge(patch)).await.expect("an edited Secret")
    }

    pub(crate) async fn delete_secret(&self, namespace: &str, name: &str) {
        self.secrets(namespace).delete(name, &Default::default()).await.expect("a deleted Secret");
    }

    pub(crate) async fn label_namespace(&self, name: &str, key: &str, value: Option<&str>) {
        let patch = json!({ "metadata": { "labels": { key: value } } });
        let api = Api::<Namespace>::all(self.client.clone());
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("a relabelled namespace");
    }

    /// The version of everything that these claims may have written, wherever it is.
    pub(crate) async fn versions(&self, given: &[&Given]) -> BTreeMap<(&'static str, String, String), String> {
        let mut versions = BTreeMap::new();
        for given in given {
            let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
            let secrets = Api::<Secret>::all(self.client.clone()).list_metadata(&named(&given.secret)).await;
            for secret in secrets.expect("Secrets") {
                let key = ("Secret", secret.namespace().unwrap_or_default(), secret.name_any());
                versions.insert(key, secret.resource_version().unwrap_or_default());
            }
            for name in &given.accounts {
                let accounts = Api::<ServiceAccount>::all(self.client.clone()).list_metadata(&named(name)).await;
                for account in accounts.expect("ServiceAccounts") {
                    let key = ("ServiceAccount", account.namespace().unwrap_or_default(), account.name_any());
                    if given.claim().selection.selects(&key.1, &BTreeMap::new()) {
                        versions.insert(key, account.resource_version().unwrap_or_default());
                    }
                }
            }
        }
        versions
    }

    /// The end state is right exactly when a syncer that knows nothing of the past finds nothing to change in it.
    pub(crate) async fn assert_at_rest(&self, running: Running, given: &[&Given]) {
        running.until_settled().await;
        drop(running);
        let before = self.versions(given).await;
        let fresh = self.sync(given);
        fresh.until_settled().await;
        assert_eq!(fresh.summary().failing, 0, "{:?}", fresh.summary());
        assert_eq!(self.versions(given).await, before, "a fresh syncer changed something");
    }
}

impl Running {
    /// Tells it to do something else from now on.
    pub(crate) fn assign(&self, given: &[&Given]) {
        self.assign.send_replace(assignment(given, Retired::default()));
    }

    /// The same, and these names are configured no more.
    pub(crate) fn assign_without(&self, given: &[&Given], secret: &str, account: &str) {
        let retired = Retired { secrets: vec![secret.to_owned()], service_accounts: vec![account.to_owned()] };
        self.assign.send_replace(assignment(given, retired));
    }

    /// Lets it write, or only watch.
    pub(crate) fn activate(&self, active: bool) {
        self.active.send_replace(active);
    }

    /// Allows it to write at this instant, or not, without a word.
    pub(crate) fn permit(&self, permit: bool) {
        self.permit.store(permit, Ordering::Relaxed);
    }

    /// The next thing that people should hear of.
    pub(crate) async fn incident(&mut self) -> Incident {
        tokio::time::timeout(PATIENCE, self.incidents.recv()).await.expect("in time").expect("a syncer")
    }

    /// The things that people should have heard of so far.
    pub(crate) fn incidents(&mut self) -> Vec<Incident> {
        std::iter::from_fn(|| self.incidents.try_recv().ok()).collect()
    }

    pub(crate) fn summary(&self) -> Summary {
        self.summary.borrow().clone()
    }

    pub(crate) async fn until_settled(&self) {
        self.until(|summary| summary.settled && summary.queued == 0).await;
    }

    pub(crate) async fn until(&self, wanted: impl FnMut(&Summary) -> bool) {
        let mut summary = self.summary.clone();
        let waited = tokio::time::timeout(PATIENCE, summary.wait_for(wanted)).await.map(|waited| waited.is_ok());
        assert!(waited == Ok(true), "the syncer never came there: {:?}", self.summary());
    }

    /// Waits until the summary tells a problem of this Secret, in words that contain `words`.
    pub(crate) async fn until_problem(&self, namespace: &str, name: &str, words: &str) -> String {
        let key = ObjectName { kind: "Secret", namespace: namespace.to_owned(), name: name.to_owned() };
        self.until(|summary| summary.problems.get(&key).is_some_and(|problem| problem.contains(words))).await;
        self.summary().problems[&key].clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client as pullmint itself makes it.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    world::install_crypto();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    client_of(config.expect("a configuration"))
}

/// Looks until there is what is looked for.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    world::look_for(PATIENCE, GLANCE, look).await.unwrap_or_else(|| panic!("never seen: {what}"))
}

pub(crate) fn dockerconfigjson(secret: &Secret) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get(".dockerconfigjson")?.0;
    Some(String::from_utf8(bytes.clone()).expect("text"))
}

/// A Secret as its author would write it: a pull Secret for some host.
pub(crate) fn foreign_secret(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": r#"{"auths":{"their.example.com":{"auth":"dTpw"}}}"# },
    })
}

/// A client as pullmint makes it.
pub(crate) fn client_of(config: kube::Config) -> Client {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    pullmint::cluster::client(config, &clock, &Pulses::default()).expect("a client")
}
