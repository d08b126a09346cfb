//! Kubernetes Events: what `kubectl describe` shows to people who look at no log.
//!
//! ```text
//! slots, configuration, incidents, pulls ─► notice (pure) ─► ration (pure) ─► post ─► Event
//! ```
//!
//! Nothing waits for an Event, and none is owed: what the API server does not take is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::debug;

use crate::clock::Clock;
use crate::keeper::slot::{Roster, Slot, publications};
use crate::pulls::causes::News;
use crate::pulls::recovery::Recovered;
use crate::pulse::Pulse;
use crate::registry::RegistryName;
use crate::reminder::Reminder;
use crate::status::{ConfigurationProblem, ConfigurationStatus};
use crate::sync::incident::Incident;

pub mod notice;
mod own;
mod post;
pub mod ration;

use notice::{Notice, REASONS};
pub use own::Own;
use post::{Post, Setback};
use ration::{Ration, Verdict};

/// Incidents, or causes of failed pulls, that wait to be told; of further ones the oldest are dropped.
pub const QUEUE: usize = 1024;

/// Pods made anew that wait to be told: there are only so many a minute. Every place takes its memory from the start.
pub const RECOVERIES: usize = 64;

/// Between two Events about Secrets or Pods: a thousand that are refused at once are told within two minutes.
const PACE: Duration = Duration::from_millis(100);

/// Between two looks at what lasts.
const GLANCE: Duration = Duration::from_secs(60);

/// Where the news comes from.
#[derive(Debug)]
pub struct Sources {
    /// Since when this process leads: what was minted earlier is no news.
    pub since: Timestamp,
    /// The keepers. They may change while Events are published: a registry that stays is not told anew.
    pub slots: watch::Receiver<Roster>,
    /// The syncer's news of single Secrets.
    pub incidents: broadcast::Receiver<Incident>,
    /// The causes why images do not pull.
    pub pulls: broadcast::Receiver<News>,
    /// Pods that were deleted so that others take their place.
    pub recoveries: broadcast::Receiver<Recovered>,
    /// The configuration.
    pub configuration: watch::Receiver<Arc<ConfigurationStatus>>,
}

/// Publishes for ever. It is for the leader alone: start it when leadership begins, and drop it when that ends.
pub async fn publish(client: Client, clock: Arc<dyn Clock>, pulse: Pulse, own: Own, mut sources: Sources) {
    let mut desk = Desk {
        post: Post::new(client, own.instance.clone()),
        own,
        reminder: Reminder::new(clock.now()),
        clock: Arc::clone(&clock),
        pulse,
        since: sources.since,
        ration: Ration::default(),
        slots: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut glances = interval(GLANCE);
    desk.tell(notice::elected(&desk.own.instance)).await;
    let mut roster = sources.slots.borrow_and_update().clone();
    let mut renewals = publications(roster.iter().map(|(_, slot)| slot.clone()));
    loop {
        let configuration = Arc::clone(&sources.configuration.borrow_and_update());
        let again = desk.reminder.is_due(desk.clock.now());
        desk.look_at_configuration(&configuration, again).await;
        for (registry, slot) in &roster {
            let slot = slot.borrow().clone();
            desk.look_at_slot(registry, slot, again).await;
        }
        tokio::select! {
            Some(()) = renewals.next() => {}
            Ok(()) = sources.configuration.changed() => {}
            Some(notice) = paced(&mut pace, &mut sources.incidents, &mut sources.pulls, &mut sources.recoveries) => {
                desk.tell(notice).await;
            }
            Ok(()) = sources.slots.changed() => {
                roster = sources.slots.borrow_and_update().clone();
                renewals = publications(roster.iter().map(|(_, slot)| slot.clone()));
            }
            _ = glances.tick() => {}
            never = desk.pulse.rest(&*clock) => match never {},
        }
    }
}

async fn paced(
    pace: &mut Interval,
    incidents: &mut broadcast::Receiver<Incident>,
    pulls: &mut broadcast::Receiver<News>,
    recoveries: &mut broadcast::Receiver<Recovered>,
) -> Option<Notice> {
    pace.tick().await;
    tokio::select! {
        Some(incident) = next(incidents) => Some(notice::of_incident(&incident)),
        Some(news) = next(pulls) => Some(notice::of_pulls(&news)),
        Some(recovered) = next(recoveries) => Some(notice::of_recovery(&recovered)),
        else => None,
    }
}

async fn next<T: Clone>(queue: &mut broadcast::Receiver<T>) -> Option<T> {
    loop {
        match queue.recv().await {
            Ok(item) => return Some(item),
            Err(RecvError::Lagged(dropped)) => debug!(dropped, "too much has happened; the rest is told"),
            Err(RecvError::Closed) => return None,
        }
    }
}

/// What was seen last, and what was told of it.
struct Desk {
    post: Post,
    own: Own,
    clock: Arc<dyn Clock>,
    reminder: Reminder,
    pulse: Pulse,
    since: Timestamp,
    ration: Ration,
    slots: BTreeMap<RegistryName, Slot>,
    problems: Vec<ConfigurationProblem>,
}

impl Desk {
    /// Tells what is new, and `again` what is as it was and still wrong.
    async fn look_at_slot(&mut self, registry: &RegistryName, slot: Slot, again: bool) {
        let mut before = self.slots.remove(registry).unwrap_or_default();
        if again && slot.failure.is_some() {
            before.failure = None;
        }
        let news = notice::of_slot(registry, &before, &slot, self.since);
        self.slots.insert(registry.clone(), slot);
        if let Some(notice) = news {
            self.tell(notice).await;
        }
    }

    async fn look_at_configuration(&mut self, status: &ConfigurationStatus, again: bool) {
        if again {
            self.problems.clear();
        }
        if let Some(notice) = notice::of_configuration(&self.problems, &status.problems) {
            self.tell(notice).await;
        }
        self.problems.clone_from(&status.problems);
    }

    async fn tell(&mut self, notice: Notice) {
        debug_assert!(REASONS.contains(&notice.reason), "nobody knows the reason {}", notice.reason);
        let now = self.clock.now();
        self.pulse.beat(now);
        let name = match self.ration.ask(&notice, now) {
            Verdict::Silence => return,
            Verdict::Again { event, count } => match self.post.again(&notice, &self.own, &event, count, now).await {
                Ok(()) => Some(event),
                // It has expired at the API server.
                Err(Setback::Gone) => self.post.new_event(&notice, &self.own, now).await,
                Err(Setback::Failed) => None,
            },
            Verdict::New => self.post.new_event(&notice, &self.own, now).await,
        };
        if let Some(name) = name {
            self.ration.told(notice, name, now);
        }
    }
}
