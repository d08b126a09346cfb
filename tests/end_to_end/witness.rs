//! Somebody who watches Secrets in all namespaces, and forgets nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::stream::select_all;
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
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// By namespace and name, in the order of time.
type Seen = BTreeMap<(String, String), Vec<Sight>>;

/// A Secret as it was at one instant.
struct Sight {
    uid: Option<String>,
    minted_at: Option<Timestamp>,
}

impl Witness {
    /// Of the Secrets of these names.
    pub(crate) fn of(client: &Client, names: &[String]) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let api = Api::<PartialObjectMeta<Secret>>::all(client.clone());
        let named = |name: &String| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = select_all(names.iter().map(|name| watcher::watcher(api.clone(), named(name)).boxed()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event {
                    let key = (secret.namespace().unwrap_or_default(), secret.name_any());
                    let sight = Sight { uid: secret.uid(), minted_at: minted_at(&secret.metadata) };
                    noted.lock().expect("no panic").entry(key).or_default().push(sight);
                }
            }
        });
        Self { seen, task }
    }

    /// In no namespace did an older credential ever replace a newer one; and somewhere one could have.
    pub(crate) fn assert_that_nothing_grew_older(&self) {
        let mut replaced = false;
        for (secret, sights) in &*self.seen.lock().expect("no panic") {
            let times: Vec<_> = sights.iter().filter_map(|sight| sight.minted_at).collect();
            assert!(times.is_sorted(), "{secret:?}: an older credential over a newer one: {times:?}");
            replaced |= times.first() != times.last();
        }
        assert!(replaced, "there was never more than one credential, so nothing could grow older");
    }

    /// In no namespace was the Secret ever deleted and made anew.
    pub(crate) fn assert_that_each_lived_on(&self) {
        let seen = self.seen.lock().expect("no panic");
        assert!(!seen.is_empty(), "it has seen nothing");
        for (secret, sights) in &*seen {
            assert!(sights.windows(2).all(|pair| pair[0].uid == pair[1].uid), "{secret:?} is another one");
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
