//! Images that do not pull, and why: what the leader sees of Pending pods, if the configuration asks for it.
//!
//! ```text
//! Pending pods ─watch─► sight (pure) ─► ledger (pure) ─due─► explain: gather, ask registries, judge
//!                                          ▲  │                 │
//!                                          └──┼──── findings ◄──┘
//!                                             └─► Failures ─► metrics, status
//!                                                    └─► causes (pure) ─► news ─► Events
//! ```
//!
//! Nothing of a pod is kept but what is said of its failed pulls, and nothing of it is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::keeper::slot::{Roster, Slot};
use crate::pulse::{self, Pulses};
use crate::registry::RegistryName;
use crate::reminder::Reminder;
use crate::watching::{self, Listener};

pub mod causes;
mod explainer;
mod ledger;
pub mod recovery;
mod sight;
pub mod table;

use causes::{Cause, News};
pub use explainer::Means;
use explainer::{Explainer, Outcome};
use ledger::Ledger;
use sight::Seen;
use table::Failures;

/// Between two looks at what is due, and two words on what is known.
const TICK: Duration = Duration::from_secs(1);

const PODS: &str = "pods";

/// No sign of life for so long means that it hangs: nothing in its loop waits for anybody.
const SILENCE: Duration = Duration::from_secs(60);

/// Where it works.
#[derive(Clone)]
pub struct Setting {
    /// The way to the API server.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The signs of life.
    pub pulses: Pulses,
    /// A watch that has been silent for longer is deaf.
    pub deaf_after: Duration,
    /// The keepers, whose new credentials may mend what failed.
    pub slots: watch::Receiver<Roster>,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").finish_non_exhaustive()
    }
}

/// Where it tells what it has found.
#[derive(Clone, Debug)]
pub struct Reports {
    /// All that is known.
    pub failures: watch::Sender<Option<Arc<Failures>>>,
    /// Each cause that is new in a namespace, and now and then each that lasts.
    pub news: broadcast::Sender<News>,
}

/// Looks into failed pulls for ever, by the latest means. Whoever ends it empties what it has told.
pub async fn explain(setting: Setting, mut means: watch::Receiver<Means>, reports: Reports) {
    let Setting { client, clock, pulses, deaf_after, slots } = setting;
    let heart = pulses.start("pulls", SILENCE, clock.now());
    let _ear = pulses.start(pulse::watch_name(PODS), deaf_after, clock.now());
    let mut listener = Listener::new(PODS.to_owned(), pulses, Arc::clone(&clock));
    let pods = Api::<PodObject>::all(client.clone());
    let mut pods = watching::watch(pods, Some("status.phase=Pending"), deaf_after);
    let reminder = Reminder::new(clock.now());
    let mut desk = Desk { ledger: Ledger::default(), causes: BTreeMap::new(), is_stale: true, reminder, reports };
    let mut explainer = Explainer::new(client.clone(), means.borrow_and_update().clone());
    let mut work: Option<BoxFuture<'static, Outcome>> = None;
    let mut minted = mints(&slots.borrow());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(event) = pods.next() => {
                listener.hear(&event);
                desk.see(event, clock.now());
            }
            outcome = ended(work.as_mut()) => {
                work = None;
                explainer.complain(&outcome);
                desk.note(outcome, clock.now());
            }
            Ok(()) = means.changed() => {
                explainer = Explainer::new(client.clone(), means.borrow_and_update().clone());
                desk.ledger.look_again(clock.now());
            }
            _ = ticks.tick() => {
                let now = clock.now();
                heart.beat(now);
                let latest = mints(&slots.borrow());
                if latest != minted {
                    desk.ledger.look_again(now);
                    explainer.forget_answers();
                    minted = latest;
                }
                desk.publish(now);
                if work.is_none() {
                    let due = desk.ledger.take_due(now);
                    work = (!due.is_empty()).then(|| explainer.explain(due, now).boxed());
                }
            }
        }
    }
}

async fn ended(work: Option<&mut BoxFuture<'static, Outcome>>) -> Outcome {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// When the credential of each registry was minted.
fn mints(roster: &Roster) -> BTreeMap<RegistryName, Timestamp> {
    let minted = |slot: &watch::Receiver<Slot>| slot.borrow().current.as_ref().map(|minted| minted.minted_at);
    roster.iter().filter_map(|(name, slot)| Some((name.clone(), minted(slot)?))).collect()
}

/// What is known, and what was told of it.
struct Desk {
    ledger: Ledger,
    /// The causes that there were when it was last told.
    causes: BTreeMap<Cause, News>,
    /// Whether what was told is not all that is known.
    is_stale: bool,
    reminder: Reminder,
    reports: Reports,
}

impl Desk {
    fn see(&mut self, event: watcher::Result<Event<PodObject>>, now: Timestamp) {
        match event {
            Ok(Event::Init) => self.ledger.begin_list(),
            Ok(Event::InitApply(pod) | Event::Apply(pod)) => self.ledger.see(Seen::of(&pod), now),
            Ok(Event::InitDone) => self.ledger.finish_list(),
            Ok(Event::Delete(pod)) => self.ledger.forget(&sight::identity(&pod).uid),
            Err(_) => return,
        }
        self.is_stale = true;
    }

    fn note(&mut self, outcome: Outcome, now: Timestamp) {
        for (key, finding) in outcome.found {
            self.ledger.found(&key, finding, now);
        }
        self.ledger.put_back(&outcome.left, now);
        self.is_stale = true;
    }

    fn publish(&mut self, now: Timestamp) {
        let all_is_news = self.reminder.is_due(now);
        if !std::mem::take(&mut self.is_stale) && !all_is_news {
            return;
        }
        let failures = self.ledger.failures();
        let causes = causes::by_namespace(&failures);
        let is_news = |cause: &Cause| all_is_news || !self.causes.contains_key(cause);
        for (_, news) in causes.iter().filter(|(cause, _)| is_news(cause)) {
            // Where nobody listens, nobody wants to know.
            let _unheard = self.reports.news.send(news.clone());
        }
        self.causes = causes;
        self.reports.failures.send_replace(Some(Arc::new(failures)));
    }
}
