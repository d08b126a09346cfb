//! Somebody who watches a Secret in all namespaces, and forgets nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use tokio::task::JoinHandle;

/// It watches until it is dropped.
pub(crate) struct Witness {
    seen: Arc<Mutex<BTreeMap<String, Vec<Timestamp>>>>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Of the Secrets of this name.
    pub(crate) fn of(client: &Client, name: &str) -> Self {
        let seen: Arc<Mutex<BTreeMap<_, Vec<_>>>> = Arc::default();
        let api = Api::<PartialObjectMeta<Secret>>::all(client.clone());
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = watcher::watcher(api, config).boxed();
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event {
                    let namespace = secret.namespace().unwrap_or_default();
                    let at = minted_at(&secret.metadata);
                    noted.lock().expect("no panic").entry(namespace).or_default().extend(at);
                }
            }
        });
        Self { seen, task }
    }

    /// In no namespace did an older credential ever replace a newer one.
    pub(crate) fn assert_that_nothing_grew_older(&self) {
        for (namespace, times) in &*self.seen.lock().expect("no panic") {
            assert!(times.is_sorted(), "{namespace}: an older credential over a newer one: {times:?}");
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When the youngest credential in a Secret was minted, as it says itself.
pub(crate) fn minted_at(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.annotations.as_ref()?.get("pullmint.dev/minted-at")?.parse().ok()
}
