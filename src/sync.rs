//! Writes the Secrets: one task that owns everything it knows, and a bounded number of writes in flight.
//!
//! ```text
//! watches ─► tables ─┐
//! slots ───► plan ───┴► queue of keys ─► gather ─► decide (pure) ─► manifest (pure) ─► apply ─► Secret
//! ```
//!
//! A key is looked at whenever anything that concerns it may have changed, and the decision depends on the present
//! state alone, so a missed, doubled or late event does no harm. The syncer never asks for a credential.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Client;
use kube::core::PartialObjectMeta;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::config::settings::Retired;
use crate::keeper::slot::{Coverage, publications};
use crate::metrics::Metrics;
use crate::pulse::Pulses;
use crate::registry::RegistryName;
use crate::reminder::Reminder;

mod accounts;
mod apply;
mod board;
pub mod decide;
pub mod desired;
pub mod incident;
pub mod manifest;
mod observe;
mod outcome;
mod pace;
mod progress;
pub mod queue;
pub(crate) mod sources;
pub mod summary;
mod table;
mod unseen;

use accounts::Account;
use apply::Setback;
use decide::{Input, Namespace, Observed, Verdict, Why};
use desired::{Claim, Picks, Plan};
use incident::Incident;
use outcome::CONSENT;
use pace::{Admission, Pace};
use queue::Queue;
use sources::{Source, Sources};
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
    /// The Secrets that it has never had so far, and since when it should: those of namespaces that came, or came to be
    /// selected, while we watched. How long others have waited nobody knows.
    awaited: BTreeMap<usize, Instant>,
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
    /// When the API server last confirmed that it is as it should be.
    confirmed_at: Option<Timestamp>,
    /// Somebody's hand on it, that has yet to be made good. So rare that the many others give no room to it.
    strange: Option<Box<Strange>>,
}

#[derive(Clone, Debug)]
struct Strange {
    since: Instant,
    by: Option<String>,
}

/// What a syncer has to do. Another one may come at any time.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The registries' credentials, and where they belong.
    pub claims: Vec<Claim>,
    /// Names under which nothing of ours is to be left.
    pub retired: Retired,
    /// Writes in flight at most.
    pub concurrency: usize,
    /// Writes a second at most.
    pub writes_per_second: Option<f64>,
}

/// Whether something may happen at this very instant.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a syncer works with.
#[allow(missing_debug_implementations, reason = "it holds the API client, and nothing worth printing that logs lack")]
pub struct Setting {
    /// The way to the API server.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The namespace of this pullmint, which marks what is its own.
    pub owner: String,
    /// What is to be done.
    pub assignment: watch::Receiver<Assignment>,
    /// Whether to write. While not, the watches are kept warm.
    pub active: watch::Receiver<bool>,
    /// Asked before each write: whether it may happen at this very instant.
    pub permit: Permit,
    /// A watch that has been silent for longer is deaf.
    pub deaf_after: Duration,
    /// Ends it, after the writes that are in flight.
    pub stop: CancellationToken,
}

/// Where a syncer tells what it knows.
#[derive(Debug)]
pub struct Reports {
    /// How far it has come.
    pub summary: watch::Sender<Summary>,
    /// Which credentials are everywhere.
    pub coverage: watch::Sender<Coverage>,
    /// What people should hear of. It is not waited for that anybody does.
    pub incidents: broadcast::Sender<Incident>,
    /// What is counted.
    pub metrics: Metrics,
    /// Its signs of life, and those of its watches.
    pub pulses: Pulses,
}

/// See the module.
#[allow(missing_debug_implementations, reason = "as for its setting")]
pub struct Syncer {
    setting: Setting,
    reports: Reports,
    plan: Plan,
    namespaces: Table<Place>,
    secrets: Vec<Table<Observed>>,
    accounts: Vec<Table<Account>>,
    memory: HashMap<Key, Memory>,
    /// What the API server refuses to list, and in which words.
    refused: HashMap<Source, String>,
    queue: Queue<Key>,
    pace: Pace,
    paused_until: Option<Instant>,
    /// Writes in a row that found no API server.
    outages: u32,
    writes: u64,
    /// The writes that the log has told of; `None` before the first word.
    announced: Option<u64>,
    /// When to tell again what is left to somebody else.
    reminder: Reminder,
    /// Whether something has changed since the last report.
    news: bool,
    next_report: Instant,
    next_board: Instant,
}

/// The writes under way, each with how long it took in the end.
type InFlight = FuturesUnordered<BoxFuture<'static, (Key, Done, Duration)>>;

/// How often it gives a sign of life.
const BEAT: Duration = Duration::from_secs(10);

/// After an instant at which nothing might be written.
const PERMIT_AGAIN: Duration = Duration::from_secs(1);

/// A syncer that has been silent for longer hangs.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

impl Syncer {
    /// A syncer that knows nothing yet.
    #[must_use]
    pub fn new(setting: Setting, reports: Reports) -> Self {
        Self {
            reminder: Reminder::new(setting.clock.now()),
            setting,
            reports,
            plan: Plan::default(),
            namespaces: Table::default(),
            secrets: Vec::new(),
            accounts: Vec::new(),
            memory: HashMap::new(),
            refused: HashMap::new(),
            queue: Queue::default(),
            pace: Pace::new(1, None),
            paused_until: None,
            outages: 0,
            writes: 0,
            announced: None,
            news: false,
            next_report: now(),
            next_board: now(),
        }
    }

    /// Syncs until it is stopped.
    pub async fn run(mut self) {
        let pulse = self.reports.pulses.start("syncer", LONGEST_SILENCE, self.setting.clock.now());
        let mut sources = Sources::new(&self.setting, &self.reports.pulses);
        let mut in_flight = InFlight::new();
        let mut slots = self.assign(&mut sources);
        let mut beat = tokio::time::interval(BEAT);
        let stop = self.setting.stop.clone();
        while !stop.is_cancelled() {
            let goes_on = self.start_due(&mut in_flight);
            self.report();
            self.remind();
            if in_flight.is_empty() {
                self.let_go(&mut sources);
            }
            let report_at = self.news.then_some(self.next_report);
            tokio::select! {
                Some((key, done, took)) = in_flight.next(), if !in_flight.is_empty() => self.settle(&key, done, took),
                Some(change) = sources.next() => self.observe(change),
                Some(()) = slots.next(), if !slots.is_empty() => self.refresh(),
                Ok(()) = self.setting.assignment.changed() => slots = self.assign(&mut sources),
                Ok(()) = self.setting.active.changed() => self.activate(),
                () = self.queue.wake() => {}
                () = until(goes_on), if goes_on.is_some() => self.paused_until = None,
                () = until(report_at), if report_at.is_some() => {}
                _ = beat.tick() => pulse.beat(self.setting.clock.now()),
                () = stop.cancelled() => {}
            }
        }
        while let Some((key, done, took)) = in_flight.next().await {
            self.settle(&key, done, took);
        }
    }

    /// Takes over what is to be done now. Names of before are looked at once more, since what is ours there may have to go.
    fn assign(&mut self, sources: &mut Sources) -> SelectAll<BoxStream<'static, ()>> {
        let assignment = self.setting.assignment.borrow_and_update().clone();
        self.pace.limit(assignment.concurrency, assignment.writes_per_second);
        self.plan.assign(&assignment.claims, assignment.retired);
        self.secrets.resize_with(self.plan.secrets.len(), Table::default);
        self.accounts.resize_with(self.plan.accounts.len(), Table::default);
        // Which namespaces are selected is known again when they have been listed anew.
        self.namespaces.forget_listing();
        sources.watch(&self.plan);
        self.news = true;
        publications(self.plan.slots())
    }

    /// Begins to write, or ceases to.
    fn activate(&mut self) {
        if *self.setting.active.borrow_and_update() {
            self.take_over();
        } else {
            self.step_down();
        }
        self.news = true;
    }

    /// What others wrote meanwhile is not known to be right; but it is there, and not waited for.
    fn take_over(&mut self) {
        for memory in self.memory.values_mut() {
            memory.applied = None;
        }
        for (name, place) in self.namespaces.iter_mut() {
            place.awaited.retain(|secret, _| self.secrets[*secret].get(name).is_none());
        }
        self.refresh();
        self.push_everything();
    }

    /// Another one writes from now on, and soon nothing of what was known here is true. Only of a write that is still in
    /// flight it has to be known whether its object has gone.
    fn step_down(&mut self) {
        self.memory.retain(|_, memory| {
            *memory = Memory { buried: memory.buried.take(), ..Memory::default() };
            memory.buried.is_some()
        });
        self.reports.summary.send_modify(Summary::forget);
    }

    /// Begins what may be begun. Returns when there may be more, if it is time alone that holds it up: whoever asked once
    /// more, a moment later, could hear that nothing does, and would wait for ever.
    fn start_due(&mut self, in_flight: &mut InFlight) -> Option<Instant> {
        while self.paused_until.is_none() && *self.setting.active.borrow() {
            if !(self.setting.permit)() {
                // A mandate that was renewed at the last moment holds again, and nobody says so.
                return Some(now() + PERMIT_AGAIN);
            }
            match self.pace.admission(in_flight.len(), now()) {
                Admission::Now => {}
                Admission::At(instant) => return Some(instant),
                Admission::AfterAnAnswer => return None,
            }
            let key = self.queue.pop()?;
            let write = match &key {
                Key::Secret(place, namespace) => self.reconcile_secret(*place, namespace),
                Key::Account(place, namespace) => self.reconcile_account(*place, namespace),
            };
            match write {
                Some(write) => {
                    let began = now();
                    self.pace.begin(began);
                    in_flight.push(Box::pin(async move {
                        let done = write.await;
                        (key, done, now() - began)
                    }));
                }
                None => self.queue.done(&key),
            }
        }
        self.paused_until
    }

    fn reconcile_secret(&mut self, secret: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        if !self.namespaces.is_listed() {
            return None;
        }
        let key = Key::Secret(secret, Arc::clone(namespace));
        if !self.secrets[secret].is_listed() {
            self.note_unseen(&key);
            return None;
        }
        let place = self.namespaces.get(namespace);
        let wanted = place.map(|place| self.plan.wanted(secret, &place.picks)).unwrap_or_default();
        let observed = self.secrets[secret].get(namespace);
        let now = self.setting.clock.now();
        let verdict = decide::decide(&Input {
            now,
            namespace: place.filter(|place| !place.leaving).map_or(Namespace::Leaving, |_| Namespace::Active),
            wanted: &wanted,
            observed,
            applied: self.memory.get(&key).and_then(|memory| memory.applied.as_deref()),
        });
        self.reports.metrics.decided(verdict.as_str());
        if verdict == Verdict::Replace(Why::Drifted) {
            let by = observed.and_then(|observed| observed.touched_by.clone());
            let strange = || Box::new(Strange { since: self::now(), by });
            self.memory.entry(key.clone()).or_default().strange.get_or_insert_with(strange);
        }
        let state = match verdict {
            Verdict::Create => return self.write(secret, namespace, "created", false),
            Verdict::Replace(why) => return self.write(secret, namespace, why.as_str(), why.is_routine()),
            Verdict::Delete => return self.delete(secret, namespace),
            Verdict::Keep => Some(State::InSync),
            Verdict::Leave => None,
            Verdict::Refuse(owner) => {
                self.await_no_more(secret, namespace);
                let state = State::Refused(format!("owned by {owner}; {CONSENT}"));
                if self.memory.get(&key).is_none_or(|memory| memory.state.as_ref() != Some(&state)) {
                    self.reports.metrics.conflicted("foreign");
                }
                Some(state)
            }
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
        let manifest = rendered.manifest(namespace, &name, &self.setting.owner, observed);
        if routine {
            debug!(%namespace, secret = %name, why, "writing");
        } else {
            info!(%namespace, secret = %name, why, "writing");
        }
        // What exists and may be written is ours or consents, and then edits of others give way.
        let force = observed.is_some();
        let over = observed.map(|observed| observed.resource_version.clone());
        let (client, namespace) = (self.setting.client.clone(), Arc::clone(namespace));
        Some(Box::pin(async move {
            Done::Written { over, answer: apply::secret(client, &namespace, &name, &manifest, force).await }
        }))
    }

    fn delete(&mut self, secret: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        let observed = self.secrets[secret].get(namespace)?.clone();
        let name = self.plan.secrets[secret].clone();
        let claimed = self.plan.registries(secret).next().is_some();
        let why = if claimed { "the namespace is not selected" } else { "no registry has a Secret of this name" };
        info!(%namespace, secret = %name, why, "removing");
        let (client, namespace) = (self.setting.client.clone(), Arc::clone(namespace));
        Some(Box::pin(async move { Done::Deleted(apply::delete(client, &namespace, &name, &observed).await) }))
    }

    fn reconcile_account(&mut self, account: usize, namespace: &Arc<str>) -> Option<BoxFuture<'static, Done>> {
        // Until then picks may be those of other claims.
        if !self.namespaces.is_listed() {
            return None;
        }
        let key = Key::Account(account, Arc::clone(namespace));
        if !self.accounts[account].is_listed() {
            self.note_unseen(&key);
            return None;
        }
        let place = self.namespaces.get(namespace).filter(|place| !place.leaving);
        let (Some(place), Some(present)) = (place, self.accounts[account].get(namespace)) else {
            self.set_state(&key, None);
            return None;
        };
        let wanted = self.plan.wanted_by_account(account, &place.picks);
        let Some(patch) = accounts::patch(present, &self.setting.owner, &wanted) else {
            let state = (!wanted.is_empty()).then_some(State::InSync);
            self.set_state(&key, state);
            return None;
        };
        let name = self.plan.accounts[account].clone();
        info!(%namespace, service_account = %name, image_pull_secrets = ?wanted, "patching");
        let (client, namespace) = (self.setting.client.clone(), Arc::clone(namespace));
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
