//! A namespace for each test, and electors in it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use pullmint::clock::{Clock, SystemClock};
use pullmint::leader::{self, Elector, Leadership, Mandate, Timing};
use pullmint::pulse::Pulses;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Quick, and in the proportions of the real one.
pub(crate) const TIMING: Timing =
    Timing { lease: Duration::from_secs(3), deadline: Duration::from_secs(2), retry: Duration::from_millis(400) };

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

const GLANCE: Duration = Duration::from_millis(5);

pub(crate) struct Bed {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// An elector that runs until it is dropped.
pub(crate) struct Party {
    pub(crate) told: watch::Receiver<Leadership>,
    pub(crate) mandate: Mandate,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Bed {
    pub(crate) async fn new(name: &str) -> Self {
        let world = world::shared().await.expect("a control plane");
        let client = world.control_plane.client().await.expect("a client");
        let names = world::create_namespaces(&client, name, 1, &[]).await.expect("a namespace");
        Self { client, namespace: names[0].clone() }
    }

    pub(crate) fn elect(&self, identity: &str) -> Party {
        self.elect_by(self.client.clone(), identity, Arc::new(SystemClock))
    }

    pub(crate) fn elect_by(&self, client: Client, identity: &str, clock: Arc<dyn Clock>) -> Party {
        self.elect_at(TIMING, client, identity, clock)
    }

    pub(crate) fn elect_at(&self, timing: Timing, client: Client, identity: &str, clock: Arc<dyn Clock>) -> Party {
        let pulse = Pulses::default().start("leader", Duration::from_secs(30), clock.now());
        let elector = Elector::new(client, &self.namespace, identity, timing, clock);
        let mandate = elector.mandate();
        let (tell, told) = watch::channel(Leadership::Standby { holder: None });
        let stop = CancellationToken::new();
        let task = tokio::spawn(elector.run(tell, stop.clone(), pulse));
        Party { told, mandate, stop, task }
    }

    pub(crate) async fn until_lease_is_nobodys(&self) {
        let empty = async || self.lease().await.holder_identity.is_some_and(|holder| holder.is_empty()).then_some(());
        until("nobody's lease", empty).await;
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn lease(&self) -> LeaseSpec {
        self.leases().get(leader::NAME).await.expect("the Lease").spec.expect("its content")
    }

    pub(crate) async fn annotate(&self) {
        let patch = json!({ "metadata": { "annotations": { "seen-by": "somebody" } } });
        self.leases().patch(leader::NAME, &PatchParams::default(), &Patch::Merge(patch)).await.expect("an edit");
    }
}

impl Party {
    pub(crate) fn leadership(&self) -> Leadership {
        self.told.borrow().clone()
    }

    /// Waits until it leads, and tells for how long.
    pub(crate) async fn until_leading(&self) -> Duration {
        let start = SystemClock.uptime();
        self.until(|told| matches!(told, Leadership::Leading { .. })).await;
        SystemClock.uptime() - start
    }

    pub(crate) async fn until_standby(&self) {
        self.until(|told| matches!(told, Leadership::Standby { .. })).await;
    }

    pub(crate) async fn until_standby_of(&self, name: &str) {
        self.until(|told| *told == Leadership::Standby { holder: Some(name.to_owned()) }).await;
    }

    /// Waits until it knows who leads; tells whether it is itself.
    pub(crate) async fn until_told(&self) -> bool {
        self.until(|told| *told != Leadership::Standby { holder: None }).await;
        matches!(self.leadership(), Leadership::Leading { .. })
    }

    async fn until(&self, wanted: impl FnMut(&Leadership) -> bool) {
        let mut told = self.told.clone();
        let waited = tokio::time::timeout(PATIENCE, told.wait_for(wanted)).await.map(|waited| waited.is_ok());
        assert!(waited == Ok(true), "it never came there: {:?}", self.leadership());
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until one of two leads and the other knows it: the leader comes first.
pub(crate) async fn one_leads<'a>(one: &'a Party, other: &'a Party) -> (&'a Party, &'a Party) {
    let (leads, follows) = tokio::join!(one.until_told(), other.until_told());
    assert!(leads != follows, "one of them leads");
    if leads { (one, other) } else { (other, one) }
}

/// Looks until there is what is looked for.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    world::look_for(PATIENCE, GLANCE, look).await.unwrap_or_else(|| panic!("never seen: {what}"))
}
