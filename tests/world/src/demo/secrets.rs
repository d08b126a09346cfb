//! pullmint's Secrets as the cluster's administrator sees them: what the demo claims comes from here, not from logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::screen::{Screen, spell};

/// A docker config that opens nothing: what careless editing leaves behind.
pub(super) const SPOILED: &str = r#"{"auths":{}}"#;

/// One Secret as last seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) minted_at: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) docker_config: Vec<u8>,
}

/// All of them, by namespace and name.
pub(super) type All = BTreeMap<(String, String), Seen>;

/// A running watch of all Secrets that pullmint labels as its own.
#[derive(Debug)]
pub(super) struct Secrets {
    all: watch::Receiver<All>,
    written: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Secrets {
    /// Watches the Secrets in namespaces of these names; says on the screen when a credential has come to all of
    /// them. `began` is when pullmint was started.
    pub(super) fn watch(client: Client, namespaces: BTreeSet<String>, began: Instant, screen: Arc<Screen>) -> Self {
        let (all, seen) = watch::channel(All::new());
        let (written, writes) = watch::channel(0);
        let task = tokio::spawn(async move {
            let ours = watcher::Config::default().labels("app.kubernetes.io/managed-by=pullmint");
            let mut events = watcher(Api::<Secret>::all(client), ours).default_backoff().boxed();
            let mut rounds = Rounds { namespaces, began, screen, by_secret: BTreeMap::new() };
            while let Some(event) = events.next().await {
                // A watch that breaks is begun anew by itself; what never comes is told by those who wait for it.
                let Ok(event) = event else { continue };
                match event {
                    watcher::Event::Apply(secret) | watcher::Event::InitApply(secret) => {
                        let (key, secret) = (key(&secret), read(&secret));
                        let changed =
                            all.borrow().get(&key).is_none_or(|old| old.docker_config != secret.docker_config);
                        if changed && secret.docker_config != SPOILED.as_bytes() {
                            written.send_modify(|count| *count += 1);
                            rounds.note(&key, &secret);
                        }
                        all.send_modify(|all| drop(all.insert(key, secret)));
                    }
                    watcher::Event::Delete(secret) => all.send_modify(|all| drop(all.remove(&key(&secret)))),
                    watcher::Event::Init | watcher::Event::InitDone => {}
                }
            }
        });
        Self { all: seen, written: writes, task }
    }

    /// Waits until `wanted` finds what it looks for.
    pub(super) async fn until<T>(&self, wanted: impl Fn(&All) -> Option<T>) -> T {
        let mut all = self.all.clone();
        loop {
            if let Some(found) = wanted(&all.borrow_and_update()) {
                return found;
            }
            if all.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// One Secret, if it is there.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Seen> {
        self.all.borrow().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// What is left of the life of each Secret of a namespace.
    pub(super) fn lives(&self, namespace: &str) -> String {
        let all = self.all.borrow();
        let mine = all.iter().filter(|((place, _), _)| place == namespace);
        let each = mine
            .filter_map(|((_, name), seen)| Some(format!("{} {} s", short(name), left(seen.expires_at?).as_secs())));
        each.collect::<Vec<_>>().join(" · ")
    }

    /// How many times a Secret got other content by pullmint.
    pub(super) fn writes(&self) -> u64 {
        *self.written.borrow()
    }

    /// In which namespaces there is any.
    pub(super) fn namespaces(&self) -> BTreeSet<String> {
        self.all.borrow().keys().map(|(namespace, _)| namespace.clone()).collect()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way of one credential into all namespaces.
struct Round {
    minted_at: String,
    first: Instant,
    reached: BTreeSet<String>,
    is_renewal: bool,
}

struct Rounds {
    namespaces: BTreeSet<String>,
    began: Instant,
    screen: Arc<Screen>,
    by_secret: BTreeMap<String, Round>,
}

impl Rounds {
    fn note(&mut self, (namespace, name): &(String, String), seen: &Seen) {
        if !self.namespaces.contains(namespace) {
            return;
        }
        let begin = |is_renewal| Round {
            minted_at: seen.minted_at.clone(),
            first: Instant::now(),
            reached: BTreeSet::new(),
            is_renewal,
        };
        let round = self.by_secret.entry(name.clone()).or_insert_with(|| begin(false));
        if round.minted_at != seen.minted_at {
            *round = begin(true);
        }
        let all = self.namespaces.len();
        // A Secret that is restored later is no second arrival.
        if !round.reached.insert(namespace.clone()) || round.reached.len() < all {
            return;
        }
        let took = spell(round.first.elapsed());
        let text = match round.is_renewal {
            true => format!("{name}: the new credential in all {all} namespaces within {took}"),
            false => {
                let after = spell(round.first.duration_since(self.began));
                format!("{name} in {all} namespaces within {took}, the first {after} after pullmint's start")
            }
        };
        self.screen.good("written", &text);
    }
}

fn key(secret: &Secret) -> (String, String) {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}

fn read(secret: &Secret) -> Seen {
    let annotation = |name: &str| secret.annotations().get(name).cloned();
    let data = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
    Seen {
        uid: secret.uid().unwrap_or_default(),
        version: secret.resource_version().unwrap_or_default(),
        minted_at: annotation("pullmint.dev/minted-at").unwrap_or_default(),
        expires_at: annotation("pullmint.dev/expires-at").and_then(|at| at.parse().ok()),
        docker_config: data.map(|bytes| bytes.0.clone()).unwrap_or_default(),
    }
}

/// The time until an instant; nothing when it has passed.
pub(super) fn left(until: Timestamp) -> Duration {
    until.duration_since(Timestamp::now()).try_into().unwrap_or_default()
}

/// The registry of a Secret named by pullmint's default.
fn short(name: &str) -> &str {
    name.strip_prefix("pullmint-").unwrap_or(name)
}
