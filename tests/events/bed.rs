//! A namespace for each test, and a publisher of Events whose sources are the test's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
pub(crate) use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, PostParams};
use pullmint::clock::Clock;
use pullmint::credential::{Credential, Expiry};
use pullmint::events::{self, Own, Sources};
use pullmint::keeper::slot::{Minted, Roster, Slot, Verification};
use pullmint::pulls::causes::News;
use pullmint::pulls::recovery::Recovered;
use pullmint::pulse::{self, Pulses};
use pullmint::registry::RegistryName;
use pullmint::status::{ConfigurationProblem, ConfigurationStatus};
use pullmint::sync::incident::Incident;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub(crate) const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

const GLANCE: Duration = Duration::from_millis(20);

/// A clock that the test sets forward; each look at it takes a microsecond, so that no two names are the same.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    micros: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.micros.fetch_add(u64::try_from(by.as_micros()).expect("a short time"), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        NOON + self.uptime()
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.micros.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) struct Bed {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) clock: Arc<TestClock>,
}

/// A publisher, with all that it listens to.
pub(crate) struct Desk {
    pub(crate) slots: BTreeMap<&'static str, watch::Sender<Slot>>,
    pub(crate) incidents: broadcast::Sender<Incident>,
    pub(crate) pulls: broadcast::Sender<News>,
    pub(crate) recoveries: broadcast::Sender<Recovered>,
    pub(crate) configuration: watch::Sender<Arc<ConfigurationStatus>>,
    roster: watch::Sender<Roster>,
    task: JoinHandle<()>,
}

impl Bed {
    pub(crate) async fn new(name: &str) -> Self {
        let world = world::shared().await.expect("a control plane");
        let client = world.control_plane.client().await.expect("a client");
        let names = world::create_namespaces(&client, name, 1, &[]).await.expect("a namespace");
        Self { client, namespace: names[0].clone(), clock: Arc::default() }
    }

    pub(crate) fn publish(&self, client: Client, own: Own, registries: &[&'static str]) -> Desk {
        let (incidents, queue) = broadcast::channel(events::QUEUE);
        let (pulls, news) = broadcast::channel(events::QUEUE);
        let (recoveries, recovered) = broadcast::channel(events::RECOVERIES);
        let (configuration, configured) = watch::channel(Arc::new(status(Vec::new())));
        let (roster, slots) = watch::channel(Roster::new());
        let sources = Sources {
            since: NOON,
            slots,
            incidents: queue,
            pulls: news,
            recoveries: recovered,
            configuration: configured,
        };
        let pulse = Pulses::default().start("events", pulse::LONGEST_SILENCE, NOON);
        let task = tokio::spawn(events::publish(client, self.clock.clone(), pulse, own, sources));
        let mut desk = Desk { slots: BTreeMap::new(), incidents, pulls, recoveries, configuration, roster, task };
        for registry in registries {
            desk.add(registry);
        }
        desk
    }

    /// A client that is this ServiceAccount, which is made.
    pub(crate) async fn client_of(&self, account: &ServiceAccount) -> Client {
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.namespace);
        accounts.create(&PostParams::default(), account).await.expect("a ServiceAccount");
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let kubeconfig = plane.kubeconfig_for_service_account(&self.namespace, "pullmint").await;
        world::client(&kubeconfig.expect("a kubeconfig")).await.expect("a client")
    }

    /// Waits until the API server goes by roles that were just made.
    pub(crate) async fn until_allowed(&self, theirs: &Api<Event>) {
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let allowed = async || {
            let answer = theirs.create(&trial, &Event::default()).await;
            (!matches!(answer, Err(kube::Error::Api(status)) if status.is_forbidden())).then_some(())
        };
        world::look_for(PATIENCE, GLANCE, allowed).await.expect("roles in force");
    }

    fn api(&self) -> Api<Event> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.api().list(&Default::default()).await.expect("events").items
    }

    pub(crate) async fn delete(&self, event: &Event) {
        let name = event.metadata.name.as_deref().expect("a name");
        self.api().delete(name, &Default::default()).await.expect("a deleted event");
    }

    pub(crate) async fn until_event(&self, reason: &str) -> Event {
        let is_it = |event: &Event| event.reason.as_deref() == Some(reason);
        let events = self.until(reason, |events| events.iter().any(is_it)).await;
        events.into_iter().find(is_it).expect("it was there")
    }

    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let look = async || Some(self.events().await).filter(|events| wanted(events));
        match world::look_for(PATIENCE, GLANCE, look).await {
            Some(events) => events,
            None => panic!("never seen: {what}; {:#?}", self.events().await),
        }
    }
}

impl Desk {
    /// Adds a registry to those that there are.
    pub(crate) fn add(&mut self, registry: &'static str) {
        let (slot, latest) = watch::channel(Slot::default());
        self.slots.insert(registry, slot);
        self.roster.send_modify(|roster| roster.push((RegistryName::new(registry), latest)));
    }

    /// Waits until all incidents and causes have been taken.
    pub(crate) async fn until_drained(&self) {
        let drained = async {
            while !self.incidents.is_empty() || !self.pulls.is_empty() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, drained).await.expect("an empty queue");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A slot with a credential that was minted so many seconds after noon.
pub(crate) fn credential(seconds: u64) -> Slot {
    let minted_at = NOON + Duration::from_secs(seconds);
    let credential = Credential {
        username: "AWS".to_owned(),
        password: "hunter2".into(),
        expiry: Expiry::At(minted_at + Duration::from_secs(43_200)),
        handle: None,
    };
    let minted = Minted { credential, minted_at, verification: Verification::Accepted, verified_at: None };
    Slot { current: Some(Arc::new(minted)), ..Slot::default() }
}

pub(crate) fn status(problems: Vec<ConfigurationProblem>) -> ConfigurationStatus {
    ConfigurationStatus { loaded_at: NOON, read_at: NOON, problems }
}
