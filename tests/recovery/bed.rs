//! A namespace with pods whose images were refused, and a recovery that believes what the test tells of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use pullmint::clock::Clock;
use pullmint::config::{self, CompiledSelection, Settings};
use pullmint::credential::{Credential, Expiry};
use pullmint::keeper::slot::{Minted, Slot, Verification};
use pullmint::metrics::Metrics;
use pullmint::pulls::recovery::{self, Recovered, Reports, Setting};
use pullmint::pulls::table::{self, Diagnosis, Failure, Failures, Owner};
use pullmint::pulse::{self, Pulses};
use pullmint::rbac::roles;
use pullmint::sync::Assignment;
use pullmint::sync::desired::Claim;
use pullmint::why::catalogue::Code;
use pullmint::why::finding::{Certainty, Finding};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber;
use world::Log;

pub(crate) const RECOVER: &str = "[pulls]\nexplain = true\nrecover = true\n";

const IMAGE: &str = "acme.azurecr.io/team/app:1";

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A clock that stands still until the test sets it forward.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        NOON + self.uptime()
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Bed {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) recovered: broadcast::Receiver<Recovered>,
    settings: watch::Sender<Arc<Settings>>,
    failures: watch::Sender<Option<Arc<Failures>>>,
    slot: watch::Sender<Slot>,
    pub(crate) log: Log,
    task: JoinHandle<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bed {
    /// A recovery that may do everything.
    pub(crate) async fn new(name: &str, toml: &str) -> Self {
        Self::of(name, toml, async |client, _| client).await
    }

    /// A recovery with the rights of a pullmint that does not recover.
    pub(crate) async fn confined(name: &str, toml: &str) -> Self {
        Self::of(name, toml, async |client: Client, namespace: &str| {
            grant(&client, namespace, "").await;
            let plane = &world::shared().await.expect("a control plane").control_plane;
            let kubeconfig = plane.kubeconfig_for_service_account(namespace, "pullmint").await.expect("a kubeconfig");
            world::client(&kubeconfig).await.expect("a client")
        })
        .await
    }

    async fn of(name: &str, toml: &str, identify: impl AsyncFnOnce(Client, &str) -> Client) -> Self {
        let world = world::shared().await.expect("a control plane");
        let client = world.control_plane.client().await.expect("a client");
        let namespace = world::create_namespaces(&client, name, 1, &[]).await.expect("a namespace").remove(0);
        let (settings, configured) = watch::channel(Arc::new(load(toml)));
        let (failures, told) = watch::channel(None);
        let (slot, minted) = watch::channel(Slot::default());
        let (tell, recovered) = broadcast::channel(64);
        let (clock, log) = (Arc::<TestClock>::default(), Log::default());
        let assignment = assignment(&configured.borrow(), minted);
        let setting = Setting {
            client: identify(client.clone(), &namespace).await,
            clock: clock.clone(),
            permit: Arc::new(|| true),
            pulse: Pulses::default().start("recovery", pulse::LONGEST_SILENCE, after_noon(0)),
            settings: configured,
            failures: told,
            assignment: watch::channel(assignment).1,
        };
        let reports = Reports { metrics: Metrics::default(), recovered: tell };
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let task = tokio::spawn(recovery::recover(setting, reports).with_subscriber(subscriber));
        Self { client, namespace, clock, recovered, settings, failures, slot, log, task }
    }

    pub(crate) fn configure(&self, toml: &str) {
        self.settings.send_replace(Arc::new(load(toml)));
    }

    /// Gives pullmint's ServiceAccount the rights of this configuration.
    pub(crate) async fn grant(&self, toml: &str) {
        grant(&self.client, &self.namespace, toml).await;
    }

    /// A credential that its registry has accepted, minted so many seconds after noon.
    pub(crate) fn renew(&self, second: i64) {
        let credential =
            Credential { username: "puller".into(), password: "hunter2".into(), expiry: Expiry::Never, handle: None };
        let (verification, verified_at) = (Verification::Accepted, None);
        let minted = Minted { credential, minted_at: after_noon(second), verification, verified_at };
        self.slot.send_modify(|slot| slot.current = Some(Arc::new(minted)));
    }

    /// A ReplicaSet's pods, all of which were refused their image.
    pub(crate) async fn refused(&self, name: &str, replicas: usize) -> Vec<Pod> {
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": pod_spec()});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template});
        let set: ReplicaSet = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a set");
        let sets = Api::<ReplicaSet>::namespaced(self.client.clone(), &self.namespace);
        sets.create(&PostParams::default(), &set).await.expect("a ReplicaSet");
        let all_there = async || Some(self.pods_of(name).await).filter(|pods| pods.len() == replicas);
        let mut refused = Vec::new();
        for pod in self.until_some("the ReplicaSet's pods", all_there).await {
            refused.push(self.refuse(&pod).await);
        }
        refused
    }

    /// What a kubelet says of a pod whose image it did not get.
    pub(crate) async fn refuse(&self, pod: &Pod) -> Pod {
        self.patch_status(pod, json!([status("app", &json!({"waiting": {"reason": "ImagePullBackOff"}}))])).await
    }

    /// A container that runs although the pod is Pending.
    pub(crate) async fn start_second_container(&self, pod: &Pod) {
        let waiting = status("app", &json!({"waiting": {"reason": "ImagePullBackOff"}}));
        let running = status("beside", &json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}));
        self.patch_status(pod, json!([waiting, running])).await;
    }

    async fn patch_status(&self, pod: &Pod, statuses: Value) -> Pod {
        let patch = json!({"status": {"phase": "Pending", "containerStatuses": statuses}});
        let name = pod.metadata.name.as_deref().expect("a name");
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("a status")
    }

    /// Tells that this is why the pods' images do not pull, as diagnosed so many seconds after noon.
    pub(crate) async fn tell(&self, pods: &[Pod], code: Code, second: i64) {
        self.tell_of(pods, code, second, &[]).await;
    }

    /// The same, and other causes for some other pods, which have failed for longer.
    pub(crate) async fn tell_of(&self, pods: &[Pod], code: Code, second: i64, others: &[(&Pod, Code)]) {
        let all = others.iter().copied().chain(pods.iter().map(|pod| (pod, code))).enumerate();
        let explained = all.map(|(number, (pod, code))| Arc::new(failure(pod, code, number, second))).collect();
        self.failures.send_replace(Some(Arc::new(Failures { explained, unexplained: 0 })));
        // It takes this in before there is anything else to tell.
        tokio::task::yield_now().await;
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pods whose names begin with that of their controller.
    pub(crate) async fn pods_of(&self, controller: &str) -> Vec<Pod> {
        let mut pods = self.pods().list(&Default::default()).await.expect("pods").items;
        let prefix = format!("{controller}-");
        pods.retain(|pod| pod.metadata.name.as_ref().is_some_and(|name| name.starts_with(&prefix)));
        pods
    }

    /// Whether this very pod is there, and nobody has asked to delete it.
    pub(crate) async fn is_there(&self, pod: &Pod) -> bool {
        let name = pod.metadata.name.as_deref().expect("a name");
        let found = self.pods().get_opt(name).await.expect("an answer");
        found.is_some_and(|it| it.metadata.uid == pod.metadata.uid && it.metadata.deletion_timestamp.is_none())
    }

    /// Waits until as many pods as before are there, none of which was there before.
    pub(crate) async fn until_made_anew(&self, pods: &[Pod]) {
        let (name, _) = pods[0].metadata.name.as_deref().expect("a name").rsplit_once('-').expect("a suffix");
        let before: BTreeSet<_> = pods.iter().map(|pod| pod.metadata.uid.clone()).collect();
        self.until_some("new pods", async || {
            let now = self.pods_of(name).await;
            let anew = now.len() == before.len() && now.iter().all(|pod| !before.contains(&pod.metadata.uid));
            anew.then_some(())
        })
        .await;
    }

    pub(crate) async fn until_deleted(&self, count: usize) {
        self.until(&format!("{count} deletions"), || self.deleted() >= count).await;
    }

    /// How many pods were told to be deleted.
    pub(crate) fn deleted(&self) -> usize {
        self.recovered.len()
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.until_some(what, async || is_so().then_some(())).await;
    }

    pub(crate) async fn until_some<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        let found = world::look_for(PATIENCE, Duration::from_millis(20), ask).await;
        found.unwrap_or_else(|| panic!("not in time: {what}; it said:\n{}", self.log.text()))
    }
}

pub(crate) fn pod_spec() -> Value {
    let container = |name: &str| json!({"name": name, "image": IMAGE});
    json!({
        "containers": [container("app"), container("beside")],
        "imagePullSecrets": [{"name": "pullmint-acr"}],
    })
}

fn status(name: &str, state: &Value) -> Value {
    json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

fn failure(pod: &Pod, code: Code, number: usize, second: i64) -> Failure {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let owner = pod.metadata.owner_references.iter().flatten().next();
    Failure {
        pod: table::Pod {
            namespace: text(&pod.metadata.namespace),
            name: text(&pod.metadata.name),
            uid: text(&pod.metadata.uid),
        },
        owner: owner.map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() }),
        container: "app".to_owned(),
        image: IMAGE.to_owned(),
        pull_secrets: vec!["pullmint-acr".to_owned()],
        has_run: false,
        since: after_noon(i64::try_from(number).expect("few")),
        diagnosis: Diagnosis {
            finding: Arc::new(Finding::new(code, Certainty::Certain, "a sentence")),
            cause: None,
            at: after_noon(second),
        },
    }
}

fn after_noon(second: i64) -> Timestamp {
    Timestamp::from_second(NOON.as_second() + second).expect("an instant")
}

fn load(toml: &str) -> Settings {
    let acr = "provider = \"acr\"\nlogin_servers = [\"acme.azurecr.io\"]\nidentity = \"workload-identity\"\n";
    let files = [("acr.toml".into(), acr.to_owned()), ("pullmint.toml".into(), toml.to_owned())];
    config::load_from(files).expect("a configuration")
}

fn assignment(settings: &Settings, slot: watch::Receiver<Slot>) -> Assignment {
    let registry = &settings.registries[0];
    let claim = Claim {
        registry: registry.name.clone(),
        hosts: vec!["acme.azurecr.io".parse().expect("a host")],
        secret: registry.secret.clone(),
        selection: CompiledSelection::new(&registry.namespaces).expect("a selection"),
        service_accounts: Vec::new(),
        slot,
    };
    Assignment { claims: vec![claim], retired: settings.retired.clone(), concurrency: 1, writes_per_second: None }
}

async fn grant(client: &Client, namespace: &str, toml: &str) {
    let roles = roles(&load(toml), namespace);
    let objects = [json!(roles.service_account), json!(roles.cluster_role), json!(roles.cluster_role_binding)];
    world::apply_all(client, objects).await.expect("applied objects");
}
