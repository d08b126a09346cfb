//! Writes the Secrets: one task that owns everything it knows, and a bounded number of writes in flight.
//!
//! ```text
//! watches ─► tables ─┐
//! slots ───► plan ───┴► queue of keys ─► gather ─► decide (pure) ─► manifest (pure) ─► apply ─► Secret
//! ```
//!
//! A key is looked at whenever anything that concerns it may have changed, and the decision depends on the present
//! state alone, so a missed, doubled or late event does no harm. The syncer never asks for a credential.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Client;
use kube::core::PartialObjectMeta;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::keeper::slot::{Coverage, publications};
use crate::registry::RegistryName;

mod accounts;
mod apply;
pub mod decide;
pub mod desired;
pub mod incident;
pub mod manifest;
mod observe;
mod outcome;
mod progress;
pub mod queue;
mod sources;
pub mod summary;
mod table;

use accounts::Account;
use apply::Setback;
use decide::{Input, Namespace, Observed, Verdict};
use desired::{Picks, Plan};
use outcome::CONSENT;
use queue::Queue;
use summary::{State, Summary};
use table::Table;

/// A Secret or a ServiceAccount in a namespace; the number is its name's place in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Secret(usize, Arc<str>),
    Account(usize, Arc<str>),
}

/// How a write ended.
#[derive(Debug)]
enum Done {
    Written {
        /// The version that was there before, if one was.
        over: Option<String>,
        answer: Result<PartialObjectMeta<Secret>, Setback>,
    },
    Deleted(Result<(), Setback>),
    Patched(Result<ServiceAccount, Setback>),
}

/// A namespace, as far as the syncer cares.
#[derive(Debug)]
struct Place {
    picks: Picks,
    leaving: bool,
}

/// What is remembered of a key beyond what the watch shows.
#[derive(Debug, Default)]
struct Memory {
    /// The version that our last write left.
    applied: Option<String>,
    state: Option<State>,
    setbacks: u32,
    /// The identity of an object that was seen to go while a write was in flight.
    buried: Option<String>,
}

/// What a syncer is told once.
#[derive(Debug)]
pub struct Options {
    /// The namespace of this pullmint, which marks what is its own.
    pub owner: String,
    /// Writes in flight.
    pub concurrency: usize,
}

/// See the module.
#[allow(missing_debug_implementations, reason = "it holds the API client, and nothing worth printing that logs lack")]
pub struct Syncer {
    client: Client,
    clock: Arc<dyn Clock>,
    options: Options,
    plan: Plan,
    namespaces: Table<Place>,
    secrets: Vec<Table<Observed>>,
    accounts: Vec<Table<Account>>,
    memory: HashMap<Key, Memory>,
    queue: Queue<Key>,
    paused_until: Option<Instant>,
    /// Writes in a row that found no API server.
    outages: u32,
    writes: u64,
    /// The writes that the log has told of; `None` before the first word.
    announced: Option<u64>,
    /// Whether something has changed since the last report.
    news: bool,
    next_report: Instant,
    summary: watch::Sender<Summary>,
    coverage: watch::Sender<Coverage>,
}

type InFlight = FuturesUnordered<BoxFuture<'static, (Key, Done)>>;

impl Syncer {
    /// A syncer that knows nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        options: Options,
        plan: Plan,
        summary: watch::Sender<Summary>,
        coverage: watch::Sender<Coverage>,
    ) -> Self {
        let secrets = plan.secrets.iter().map(|_| Table::default()).collect();
        let accounts = plan.accounts.iter().map(|_| Table::default()).collect();
        Self {
            client,
            clock,
            options,
            plan,
            namespaces: Table::default(),
            secrets,
            accounts,
            memory: HashMap::new(),
            queue: Queue::default(),
            paused_until: None,
            outages: 0,
            writes: 0,
            announced: None,
            news: false,
            next_report: now(),
            summary,
            coverage,
        }
    }

    /// Syncs for ever.
    pub async fn run(mut self) {
        let mut changes = sources::watch_all(&self.client, &self.plan.secrets, &self.plan.accounts);
        let mut slots = publications(self.plan.slots());
        let mut in_flight = InFlight::new();
        self.refresh();
        loop {
            self.start_due(&mut in_flight);
            self.report();
            let paused_until = self.paused_until;
            let report_at = self.news.then_some(self.next_report);
            tokio::select! {
                Some((key, done)) = in_flight.next(), if !in_flight.is_empty() => self.settle(&key, done),
                Some(change) = changes.next() => self.observe(change),
                Some(()) = slots.next() => self.refresh(),
                () = self.queue.wake() => {}
                () = until(paused_until), if paused_until.is_some() => self.paused_until = None,
                () = until(report_at), if report_at.is_some() => {}
            }
        }
    }

    fn start_due(&mut self, in_flight: &mut InFlight) {
        while self.paused_until.is_none() && in_flight.len() < self.options.concurrency {
            let Some(key) = self.queue.pop() else { break };
            let write = match &key {
                Key::Secret(place, namespace) => self.reconcile_secret(*place, namespace),
                Key::Account(place, namespace) => self.reconcile_account(*place, namespace),
            };
            match write {
                Some(write) => in_flight.push(Box::pin(async move { (key, write.await) })),
                None => self.queue.done(&key),
            }
        }
    }

    fn reconcile_secret(&mut self, secret: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        if !self.namespaces.is_listed() || !self.secrets[secret].is_listed() {
            return None;
        }
        let key = Key::Secret(secret, Arc::clone(namespace));
        let place = self.namespaces.get(namespace);
        let wanted = place.map(|place| self.plan.wanted(secret, &place.picks)).unwrap_or_default();
        let observed = self.secrets[secret].get(namespace);
        let now = self.clock.now();
        let verdict = decide::decide(&Input {
            now,
            namespace: place.filter(|place| !place.leaving).map_or(Namespace::Leaving, |_| Namespace::Active),
            wanted: &wanted,
            observed,
            applied: self.memory.get(&key).and_then(|memory| memory.applied.as_deref()),
        });
        let state = match verdict {
            Verdict::Create => return self.write(secret, namespace, "created", false),
            Verdict::Replace(why) => return self.write(secret, namespace, why.as_str(), why.is_routine()),
            Verdict::Delete => return self.delete(secret, namespace),
            Verdict::Keep => Some(State::InSync),
            Verdict::Leave => None,
            Verdict::Refuse(owner) => Some(State::Refused(format!("owned by {owner}; {CONSENT}"))),
            Verdict::Wait(missing) => {
                // A living entry holds the write up until it has died.
                if let Some(observed) = observed {
                    let delay = decide::next_death(observed, now).unwrap_or(WAIT_AGAIN).min(WAIT_AGAIN);
                    self.queue.push_later(key.clone(), delay);
                }
                let names: Vec<_> = missing.iter().map(RegistryName::as_str).collect();
                Some(State::Waiting(format!("waits for a new credential of {}", names.join(", "))))
            }
        };
        self.set_state(&key, state);
        None
    }

    fn write(
        &mut self,
        secret: usize,
        namespace: &Arc<str>,
        why: &'static str,
        routine: bool,
    ) -> Option<BoxFuture<'static, Done>> {
        let picks = &self.namespaces.get(namespace)?.picks.clone();
        let rendered = self.plan.render(secret, picks);
        let observed = self.secrets[secret].get(namespace);
        let name = self.plan.secrets[secret].clone();
        let manifest = rendered.manifest(namespace, &name, &self.options.owner, observed);
        if routine {
            debug!(%namespace, secret = %name, why, "writing");
        } else {
            info!(%namespace, secret = %name, why, "writing");
        }
        // What exists and may be written is ours or consents, and then edits of others give way.
        let force = observed.is_some();
        let over = observed.map(|observed| observed.resource_version.clone());
        let (client, namespace) = (self.client.clone(), Arc::clone(namespace));
        Some(Box::pin(async move {
            let answer = apply::secret(client, &namespace, &name, &manifest, force).await;
            Done::Written { over, answer }
        }))
    }

    fn delete(&mut self, secret: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        let observed = self.secrets[secret].get(namespace)?.clone();
        let name = self.plan.secrets[secret].clone();
        info!(%namespace, secret = %name, "removing: the namespace is not selected any more");
        let (client, namespace) = (self.client.clone(), Arc::clone(namespace));
        Some(Box::pin(async move { Done::Deleted(apply::delete(client, &namespace, &name, &observed).await) }))
    }

    fn reconcile_account(&mut self, account: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        let key = Key::Account(account, Arc::clone(namespace));
        let place = self.namespaces.get(namespace).filter(|place| !place.leaving);
        let (Some(place), Some(present)) = (place, self.accounts[account].get(namespace)) else {
            self.set_state(&key, None);
            return None;
        };
        let wanted = self.plan.wanted_by_account(account, &place.picks);
        let Some(patch) = accounts::patch(present, &wanted) else {
            let state = (!wanted.is_empty()).then_some(State::InSync);
            self.set_state(&key, state);
            return None;
        };
        let name = self.plan.accounts[account].clone();
        info!(%namespace, service_account = %name, image_pull_secrets = ?wanted, "patching");
        let (client, namespace) = (self.client.clone(), Arc::clone(namespace));
        Some(Box::pin(async move { Done::Patched(apply::account(client, &namespace, &name, &patch).await) }))
    }
}

async fn until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        tokio::time::sleep_until(instant).await;
    }
}

/// For pauses and reports, which no decision depends on.
#[allow(clippy::disallowed_methods, reason = "measures waiting, decides nothing")]
fn now() -> Instant {
    Instant::now()
}

/// How often a Secret is looked at that waits for the death of an entry.
const WAIT_AGAIN: Duration = Duration::from_secs(60);
