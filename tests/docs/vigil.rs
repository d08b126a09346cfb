//! Watches one Secret, and remembers every state that it was in.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::scene::{PATIENCE, Scene};

/// The registry that the Secrets are for.
pub(crate) const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// A running watch.
pub(crate) struct Vigil {
    namespace: String,
    name: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
enum Seen {
    State(Box<Secret>),
    Gone,
}

impl Vigil {
    /// Begins with the Secret as it is.
    pub(crate) async fn over(scene: &Scene, namespace: &str, name: &str) -> Self {
        let api = Api::<Secret>::namespaced(scene.client.clone(), namespace);
        let only = format!("metadata.name={name}");
        let listed = api.list(&ListParams::default().fields(&only)).await.expect("a list");
        let version = listed.metadata.resource_version.expect("a version");
        let present = listed.items.into_iter().map(|secret| Seen::State(Box::new(secret)));
        let seen = Arc::new(Mutex::new(present.collect::<Vec<_>>()));
        assert!(!seen.lock().expect("no panic").is_empty(), "no Secret {namespace}/{name} to watch over");
        let events = api.watch(&WatchParams::default().fields(&only), &version).await.expect("a watch");
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = events.boxed();
            while let Some(event) = events.next().await {
                notes.lock().expect("no panic").push(match event.expect("an event") {
                    WatchEvent::Added(secret) | WatchEvent::Modified(secret) => Seen::State(Box::new(secret)),
                    WatchEvent::Deleted(_) => Seen::Gone,
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
                });
            }
        });
        Self { namespace: namespace.to_owned(), name: name.to_owned(), seen, task }
    }

    /// Whether the Secret was away at some instant.
    pub(crate) fn saw_it_gone(&self) -> bool {
        self.seen.lock().expect("no panic").iter().any(|seen| matches!(seen, Seen::Gone))
    }

    fn saw(&self, state: &Secret) -> bool {
        let version = &state.metadata.resource_version;
        let same = |seen: &Seen| matches!(seen, Seen::State(secret) if secret.metadata.resource_version == *version);
        self.seen.lock().expect("no panic").iter().any(same)
    }

    /// Demands that it was there all the time, one and the same, and that each credential it held opens the registry. The
    /// last of them is pullmint's.
    pub(crate) async fn saw_no_gap(self, scene: &Scene) {
        let place = format!("{}/{}", self.namespace, self.name);
        let present = scene.secret(&self.namespace, &self.name).await.unwrap_or_else(|| panic!("{place} is away"));
        let up_to_date = async || self.saw(&present).then_some(());
        scene.until(&format!("the watch over {place} to tell its present state"), PATIENCE, up_to_date).await;
        self.task.abort();
        assert!(!self.saw_it_gone(), "{place} was away");
        let seen = self.seen.lock().expect("no panic").clone();
        let secrets: Vec<_> =
            seen.into_iter().filter_map(|seen| if let Seen::State(s) = seen { Some(s) } else { None }).collect();
        let uids: BTreeSet<_> = secrets.iter().map(|secret| secret.metadata.uid.clone()).collect();
        assert_eq!(uids.len(), 1, "{place} was replaced");
        let credentials: Vec<_> = secrets.iter().map(|secret| credential(secret)).collect();
        let distinct: BTreeSet<_> = credentials.iter().cloned().collect();
        assert!(distinct.len() > 1 && credentials.first() != credentials.last(), "{place} was never taken over");
        for auth in distinct {
            let config = json!({ "auths": { HOST: { "auth": auth } } }).to_string();
            let Some(opened) = scene.open(&format!("{HOST}/team/app:1"), &config).await else { return };
            assert_eq!(opened, Ok(()), "{place} held what opens nothing");
        }
        let last = secrets.last().expect("a state");
        let owner = last.metadata.labels.as_ref().and_then(|labels| labels.get("pullmint.dev/owner"));
        assert_eq!(owner.map(String::as_str), Some(scene.name), "{place}");
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The credential for the registry as the kubelet finds it in the Secret: base64 of `user:password`.
pub(crate) fn credential(secret: &Secret) -> String {
    let data = secret.data.as_ref().expect("data");
    let auths: Value = match secret.type_.as_deref() {
        Some("kubernetes.io/dockerconfigjson") => {
            let config: Value = serde_json::from_slice(&data[".dockerconfigjson"].0).expect("JSON");
            config["auths"].clone()
        }
        Some("kubernetes.io/dockercfg") => serde_json::from_slice(&data[".dockercfg"].0).expect("JSON"),
        other => panic!("{other:?} is no type of a pull Secret"),
    };
    let entry = [HOST.to_owned(), format!("https://{HOST}")].into_iter().find_map(|key| auths.get(key).cloned());
    let entry = entry.unwrap_or_else(|| panic!("no entry for {HOST}"));
    match entry["auth"].as_str() {
        Some(auth) => auth.to_owned(),
        None => {
            let part = |key: &str| entry[key].as_str().expect("text").to_owned();
            STANDARD.encode(format!("{}:{}", part("username"), part("password")))
        }
    }
}
