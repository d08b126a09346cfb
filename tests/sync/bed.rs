//! A test bed: one real control plane for all tests of a file, a syncer each.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use pullmint::clock::{Clock, SystemClock};
use pullmint::config::CompiledSelection;
use pullmint::config::settings::NamespaceSelection;
use pullmint::credential::{Credential, Expiry};
use pullmint::keeper::slot::{Coverage, Minted, Slot, Verification};
use pullmint::registry::{Host, RegistryName};
use pullmint::sync::desired::{Claim, Plan};
use pullmint::sync::summary::Summary;
use pullmint::sync::{Options, Syncer};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bed {
    pub(crate) client: Client,
}

/// A syncer that runs until it is dropped.
pub(crate) struct Running {
    task: JoinHandle<()>,
    summary: watch::Receiver<Summary>,
    pub(crate) coverage: watch::Receiver<Coverage>,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let world = world::shared().await.expect("a control plane");
        let client = world.control_plane.client().await.expect("a client");
        Self { client }
    }

    pub(crate) async fn namespaces(&self, prefix: &str, count: usize) -> Vec<String> {
        world::create_namespaces(&self.client, prefix, count, &[]).await.expect("namespaces")
    }

    pub(crate) fn sync(&self, claims: Vec<Claim>) -> Running {
        self.sync_as(self.client.clone(), claims)
    }

    pub(crate) fn sync_as(&self, client: Client, claims: Vec<Claim>) -> Running {
        let (told, summary) = watch::channel(Summary::default());
        let (covering, coverage) = watch::channel(Coverage::new());
        let options = Options { owner: "pullmint-test".to_owned(), concurrency: 16 };
        let syncer = Syncer::new(client, Arc::new(SystemClock), options, Plan::new(claims), told, covering);
        Running { task: tokio::spawn(syncer.run()), summary, coverage }
    }

    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await.expect("an answer")
    }

    /// Waits until the Secret's dockerconfigjson is as demanded.
    pub(crate) async fn until_secret(&self, namespace: &str, name: &str, wanted: impl Fn(&str) -> bool) -> Secret {
        let mut last = None;
        for _ in 0..PATIENCE.as_millis() / 20 {
            last = self.secret(namespace, name).await;
            if let Some(secret) = &last
                && dockerconfigjson(secret).is_some_and(|config| wanted(&config))
            {
                return secret.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("Secret {namespace}/{name} never came to be as wanted; it was {:?}", last.map(|secret| secret.metadata));
    }
}

impl Running {
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
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn dockerconfigjson(secret: &Secret) -> Option<String> {
    let bytes = &secret.data.as_ref()?.get(".dockerconfigjson")?.0;
    Some(String::from_utf8(bytes.clone()).expect("text"))
}

pub(crate) fn claim(registry: &str, secret: &str, include: &[&str]) -> (watch::Sender<Slot>, Claim) {
    let selection = NamespaceSelection {
        include: include.iter().map(|&glob| glob.to_owned()).collect(),
        exclude: Vec::new(),
        selector: String::new(),
    };
    let (sender, slot) = watch::channel(Slot::default());
    let host: Host = format!("{registry}.example.com").parse().expect("a host");
    let claim = Claim {
        registry: RegistryName::new(registry),
        hosts: vec![host],
        secret: secret.to_owned(),
        selection: CompiledSelection::new(&selection).expect("a selection"),
        service_accounts: Vec::new(),
        slot,
    };
    (sender, claim)
}

pub(crate) fn minted(password: &str, seconds: i64) -> Arc<Minted> {
    let now: Timestamp = SystemClock.now();
    let expiry = now.checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    let credential = Credential {
        username: "puller".to_owned(),
        password: password.into(),
        expiry: Expiry::At(expiry),
        handle: None,
    };
    Arc::new(Minted { credential, minted_at: now, verification: Verification::Accepted })
}
