//! Pods that do not get their images, on a node that is but written down; and who looks into them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use pullmint::clock::{Clock, SystemClock};
use pullmint::config::{self, Settings};
use pullmint::credential::{Credential, Expiry};
use pullmint::keeper::slot::{Minted, Roster, Slot, Verification};
use pullmint::pulls::causes::News;
use pullmint::pulls::table::Failures;
use pullmint::pulls::{Means, Reports, Setting, explain};
use pullmint::pulse::Pulses;
use pullmint::rbac::Roles;
use pullmint::registry::RegistryName;
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One registry, whose Secret is called `pullmint-ecr`, and what stands in `[pulls]`.
pub(crate) fn settings(pulls: &str) -> Settings {
    let files = [
        ("pullmint.toml", format!("[pulls]\nexplain = true\n{pulls}")),
        ("ecr.toml", "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"123456789012\"]\n".to_owned()),
    ];
    config::load_from(files.map(|(name, text)| (PathBuf::from(name), text))).expect("settings")
}

/// Namespaces of its own in the cluster that all tests share.
pub(crate) struct Bed {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    node: String,
}

impl Bed {
    pub(crate) async fn new(name: &str) -> Self {
        let world = world::shared().await.expect("a control plane");
        let client = world.control_plane.client().await.expect("a client");
        let namespace = world::create_namespaces(&client, name, 1, &[]).await.expect("a namespace").remove(0);
        let bed = Self { client, namespace, node: format!("paper-{name}") };
        bed.write_node().await;
        let accounts: Api<ServiceAccount> = Api::namespaced(bed.client.clone(), &bed.namespace);
        until("a ServiceAccount", async || accounts.get_opt("default").await.expect("an answer")).await;
        bed
    }

    /// A node without a kubelet, which changes no pod.
    async fn write_node(&self) {
        let node = json!({"metadata": {"name": self.node}});
        let node: Node = serde_json::from_value(node).expect("a node");
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.create(&PostParams::default(), &node).await.expect("a node");
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A pod that waits for this image, with the words that a kubelet would have for it.
    pub(crate) async fn failing_pod(&self, name: &str, image: &str, secrets: &[&str]) {
        let pod = world::node::pod(&self.node, &self.namespace, name, image, secrets);
        self.pods().create(&PostParams::default(), &pod).await.expect("a pod");
        let message = format!("failed to pull and unpack image \"{image}\": not found");
        let waiting = json!({"reason": "ErrImagePull", "message": message});
        let status = world::node::pending(image, &json!({"waiting": waiting}));
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("a status");
    }

    pub(crate) async fn delete_pods(&self) {
        let at_once = DeleteParams::default().grace_period(0);
        self.pods().delete_collection(&at_once, &Default::default()).await.expect("deleted pods");
    }

    /// A client that is the ServiceAccount of these roles, which are made.
    pub(crate) async fn client_with(&self, roles: &Roles) -> Client {
        world::apply_all(&self.client, roles.objects()).await.expect("applied objects");
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let kubeconfig = plane.kubeconfig_for_service_account(&self.namespace, "pullmint").await;
        world::client(&kubeconfig.expect("a kubeconfig")).await.expect("a client")
    }
}

/// One who looks into failed pulls, until dropped.
pub(crate) struct Watcher {
    pub(crate) failures: watch::Receiver<Option<Arc<Failures>>>,
    pub(crate) news: broadcast::Receiver<News>,
    slot: watch::Sender<Slot>,
    means: watch::Sender<Means>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub(crate) fn start(client: Client, settings: &Settings) -> Self {
        Self::start_by(Arc::new(SystemClock), client, settings)
    }

    pub(crate) fn start_by(clock: Arc<dyn Clock>, client: Client, settings: &Settings) -> Self {
        let (failures, shown) = watch::channel(None);
        let (news, heard) = broadcast::channel(1000);
        let slot = watch::channel(Slot::default()).0;
        let roster: Roster = vec![(RegistryName::new("ecr"), slot.subscribe())];
        let setting = Setting {
            client,
            clock,
            pulses: Pulses::default(),
            deaf_after: Duration::from_secs(180),
            slots: watch::channel(roster).1,
        };
        let (means, told) = watch::channel(Means::of(settings).expect("means"));
        let task = tokio::spawn(explain(setting, told, Reports { failures, news }).with_current_subscriber());
        Self { failures: shown, news: heard, slot, means, task }
    }

    /// Lets it look by other means from now on.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        self.means.send_replace(Means::of(settings).expect("means"));
    }

    /// Publishes a new credential of the one registry.
    pub(crate) fn renew(&self) {
        let credential =
            Credential { username: "AWS".to_owned(), password: "hunter2".into(), expiry: Expiry::Never, handle: None };
        let (verification, minted_at) = (Verification::Accepted, SystemClock.now());
        let minted = Minted { credential, minted_at, verification, verified_at: None };
        self.slot.send_replace(Slot { current: Some(Arc::new(minted)), ..Slot::default() });
    }

    /// Waits until the failures of this namespace are as wanted.
    pub(crate) async fn until(&mut self, what: &str, namespace: &str, wanted: impl Fn(&[String]) -> bool) {
        let is_so = |failures: &Option<Arc<Failures>>| {
            let all = failures.iter().flat_map(|failures| &failures.explained);
            let here = all.filter(|failure| failure.pod.namespace == namespace);
            wanted(&here.map(|failure| failure.diagnosis.finding.code.to_string()).collect::<Vec<_>>())
        };
        let waited = tokio::time::timeout(PATIENCE, self.failures.wait_for(is_so)).await.is_ok_and(|it| it.is_ok());
        assert!(waited, "never seen: {what}; {:#?}", self.failures.borrow());
    }

    /// The causes that were news in this namespace so far.
    pub(crate) fn news_of(&mut self, namespace: &str) -> Vec<News> {
        let all = std::iter::from_fn(|| self.news.try_recv().ok());
        all.filter(|news| news.pod.namespace == namespace).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = world::look_for(PATIENCE, Duration::from_millis(50), ask).await;
    answer.unwrap_or_else(|| panic!("not in time: {what}"))
}
