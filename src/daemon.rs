//! Puts the parts together, and keeps them together while settings and leadership change.
//!
//! ```text
//! settings ───► lines: provider and slot of each registry ──► assignment ──► syncer, as long as the process lives
//! leadership ─► term: keepers, schedules, state, events; and whether the syncer writes
//! ```
//!
//! A line that new settings do not touch is left alone, and with it its credential and its keeper.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::causes;
use crate::clock::Clock;
use crate::config::InvalidSelection;
use crate::config::settings::Settings;
use crate::events;
use crate::keeper::slot::{Coverage, Roster, Slot};
use crate::keeper::ticker::Ticker;
use crate::leader::{Leadership, Mandate};
use crate::metrics::Metrics;
use crate::provider::{MintError, Outside};
use crate::pulls::{self, recovery};
use crate::pulse::{self, Pulses};
use crate::registry::RegistryName;
use crate::state::{Kept, StateError, StateSecret};
use crate::status::ConfigurationStatus;
use crate::sync::incident::Incident;
use crate::sync::summary::Summary;
use crate::sync::{Assignment, Permit, Reports, Setting, Syncer};

mod lines;
pub mod pass;
pub mod snapshot;
mod term;

use lines::Lines;
use snapshot::Shown;
use term::Term;

/// Where the parts work.
#[derive(Clone)]
pub struct Site {
    /// The way to the API server.
    pub client: Client,
    /// pullmint's own namespace: it marks what is its own, and holds the state.
    pub namespace: String,
    /// The name by which other pullmints know this process.
    pub identity: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// The signs of life.
    pub pulses: Pulses,
    /// A watch that has been silent for longer is deaf.
    pub deaf_after: Duration,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A provider's settings cannot work here.
    #[error("could not set up the way to registries and clouds")]
    Provider(#[from] MintError),
    /// A selection that the configuration should have refused.
    #[error("could not read a namespace selection")]
    Selection(#[from] InvalidSelection),
    /// A cron expression that the configuration should have refused.
    #[error("could not start a schedule")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// What a daemon obeys.
#[derive(Clone, Debug)]
pub struct Orders {
    /// What is configured.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The way to registries and clouds.
    pub outside: watch::Receiver<Arc<Outside>>,
    /// What is wrong with the files, for those who tell people.
    pub configuration: watch::Receiver<Arc<ConfigurationStatus>>,
    /// Whether this process may mint and write.
    pub leadership: watch::Receiver<Leadership>,
    /// The same, without the delay of a channel.
    pub mandate: Mandate,
    /// Ends the work in good order.
    pub stop: CancellationToken,
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Stopped,
    /// A part of it failed.
    Broken,
}

/// How long writes that are in flight at the end may take, and the last save of the state beside them: with the lease
/// given back after them, less than the five seconds in which a process is to end.
const LAST_CALLS: Duration = Duration::from_millis(3_700);

/// The running parts. Dropping it ends them.
#[derive(Debug)]
pub struct Daemon {
    site: Site,
    orders: Orders,
    lines: Lines,
    term: Option<Term>,
    ticker: Ticker,
    state: StateSecret,
    /// The one task that is there in every process.
    syncer: JoinSet<()>,
    assignment: watch::Sender<Assignment>,
    active: watch::Sender<bool>,
    /// Whether another has led while this process was there.
    stood_by: watch::Sender<bool>,
    summary: watch::Receiver<Summary>,
    coverage: watch::Receiver<Coverage>,
    shown: watch::Sender<Arc<[Shown]>>,
    roster: watch::Sender<Roster>,
    incidents: broadcast::Sender<Incident>,
    pulls: pulls::Reports,
}

impl Daemon {
    /// The parts that are there in every process, leader or not: the lines, and a syncer that watches.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(site: Site, mut orders: Orders) -> Result<Self, StartError> {
        let settings = Arc::clone(&orders.settings.borrow_and_update());
        let lines = Lines::new(&settings, Arc::clone(&orders.outside.borrow_and_update()), &site);
        let (assignment, assigned) = watch::channel(lines.assignment(&settings)?);
        let (active, activated) = watch::channel(false);
        let (told, summary) = watch::channel(Summary::default());
        let (covered, coverage) = watch::channel(Coverage::new());
        let incidents = broadcast::channel(events::QUEUE).0;
        let pulls = pulls::Reports { failures: watch::channel(None).0, news: broadcast::channel(events::QUEUE).0 };
        let setting = Setting {
            client: site.client.clone(),
            clock: Arc::clone(&site.clock),
            owner: site.namespace.clone(),
            assignment: assigned,
            active: activated,
            permit: permit(orders.mandate.clone()),
            deaf_after: site.deaf_after,
            stop: orders.stop.clone(),
        };
        let reports = Reports {
            summary: told,
            coverage: covered,
            incidents: incidents.clone(),
            metrics: site.metrics.clone(),
            pulses: site.pulses.clone(),
        };
        let mut syncer = JoinSet::new();
        syncer.spawn(Syncer::new(setting, reports).run());
        Ok(Self {
            state: StateSecret::new(site.client.clone(), &site.namespace),
            syncer,
            stood_by: watch::channel(false).0,
            shown: watch::channel(lines.shown()).0,
            roster: watch::channel(lines.roster()).0,
            incidents,
            pulls,
            term: None,
            ticker: Ticker::default(),
            site,
            orders,
            lines,
            assignment,
            active,
            summary,
            coverage,
        })
    }

    /// What can be told of it at any time.
    #[must_use]
    pub fn sources(&self) -> snapshot::Sources {
        snapshot::Sources {
            shown: self.shown.subscribe(),
            summary: self.summary.clone(),
            leadership: self.orders.leadership.clone(),
            configuration: self.orders.configuration.clone(),
            stood_by: self.stood_by.subscribe(),
            pulls: self.pulls.failures.subscribe(),
            pulses: self.site.pulses.clone(),
        }
    }

    /// Works until it is told to stop, or a part of it fails.
    pub async fn run(mut self) -> End {
        let stop = self.orders.stop.clone();
        let clock = Arc::clone(&self.site.clock);
        let pulse = self.site.pulses.start("daemon", pulse::LONGEST_SILENCE, clock.now());
        while !stop.is_cancelled() {
            let since = match &*self.orders.leadership.borrow_and_update() {
                Leadership::Leading { since } => Some(*since),
                Leadership::Standby { holder } => {
                    if holder.is_some() {
                        self.stood_by.send_replace(true);
                    }
                    None
                }
            };
            if since.is_none() && self.term.take().is_some() {
                warn!("not the leader any more; ceasing to mint and to write");
                self.active.send_replace(false);
                if let Err(error) = self.ticker.set(BTreeMap::new()).await {
                    return broken(&error.into());
                }
            }
            let begins = since.filter(|_| self.term.is_none());
            tokio::select! {
                (saved, since) = inherit(&self.state, &self.lines, &self.site, begins), if begins.is_some() => {
                    self.lines.take_over(saved);
                    if let Err(error) = self.begin_term(since).await {
                        return broken(&error);
                    }
                }
                Ok(()) = self.orders.leadership.changed() => {}
                Ok(()) = accepted(&mut self.orders.settings, &mut self.orders.outside) => {
                    if let Err(error) = self.put_to_work().await {
                        return broken(&error);
                    }
                }
                task = Term::broken(self.term.as_mut()) => {
                    // A daemon that lives on without one of its parts would look healthy and do nothing.
                    error!(task, "a part ended that never should; ending the process");
                    return End::Broken;
                }
                Some(_) = self.syncer.join_next() => {
                    if !stop.is_cancelled() {
                        error!(task = "syncer", "a part ended that never should; ending the process");
                        return End::Broken;
                    }
                }
                () = stop.cancelled() => {}
                never = pulse.rest(&*clock) => match never {},
            }
        }
        self.wind_down().await;
        End::Stopped
    }

    async fn begin_term(&mut self, since: Timestamp) -> Result<(), StartError> {
        let (recovered, recoveries) = broadcast::channel(events::RECOVERIES);
        let news = events::Sources {
            since,
            slots: self.roster.subscribe(),
            incidents: self.incidents.subscribe(),
            pulls: self.pulls.news.subscribe(),
            recoveries,
            configuration: self.orders.configuration.clone(),
        };
        let mut term = Term::begin(&self.parts(), news);
        term.recover(self.recovery(), recovery::Reports { metrics: self.site.metrics.clone(), recovered });
        self.ticker.set(term.schedules(&self.lines)).await?;
        self.term = Some(term);
        self.active.send_replace(true);
        info!("leading: minting and writing");
        Ok(())
    }

    /// Takes over what has been accepted: other settings, or another way to registries and clouds.
    async fn put_to_work(&mut self) -> Result<(), StartError> {
        let settings = Arc::clone(&self.orders.settings.borrow_and_update());
        let outside = Arc::clone(&self.orders.outside.borrow_and_update());
        let changes = self.lines.assign(&settings, outside, &self.site);
        self.assignment.send_replace(self.lines.assignment(&settings)?);
        self.shown.send_replace(self.lines.shown());
        self.roster.send_replace(self.lines.roster());
        if let Some(mut term) = self.term.take() {
            term.go_on(&self.parts(), changes);
            self.ticker.set(term.schedules(&self.lines)).await?;
            self.term = Some(term);
        }
        Ok(())
    }

    fn parts(&self) -> term::Parts<'_> {
        term::Parts {
            site: &self.site,
            lines: &self.lines,
            state: &self.state,
            coverage: &self.coverage,
            roster: &self.roster,
            means: pulls::Means::of(&self.orders.settings.borrow()),
            pulls: &self.pulls,
        }
    }

    fn recovery(&self) -> recovery::Setting {
        recovery::Setting {
            client: self.site.client.clone(),
            clock: Arc::clone(&self.site.clock),
            permit: permit(self.orders.mandate.clone()),
            pulse: self.site.pulses.start("recovery", pulse::LONGEST_SILENCE, self.site.clock.now()),
            settings: self.orders.settings.clone(),
            failures: self.pulls.failures.subscribe(),
            assignment: self.assignment.subscribe(),
        }
    }

    /// Lets what is in flight arrive, and saves what was minted last.
    async fn wind_down(mut self) {
        let led = self.term.take().is_some();
        let save = async {
            if led {
                save_last(&self.state, &self.lines.kept()).await
            }
        };
        let written = timeout(LAST_CALLS, self.syncer.join_next());
        let (written, ()) = tokio::join!(written, save);
        if written.is_err() {
            warn!("some writes were not answered in time; the next process looks at them again");
        }
    }
}

/// Saves the state, also where a save that has just been broken off turns out to have arrived.
async fn save_last(state: &StateSecret, kept: &Kept) {
    let saved = timeout(LAST_CALLS, async {
        loop {
            match state.save(kept).await {
                Err(StateError::Outdated) => {}
                saved => return saved,
            }
        }
    });
    let error = match saved.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => StateError::Failed("no answer in time".to_owned()),
    };
    warn!(%error, "could not save the state; the next process may mint anew");
}

/// What an earlier leader left to the one that leads since then.
async fn inherit(
    state: &StateSecret,
    lines: &Lines,
    site: &Site,
    since: Option<Timestamp>,
) -> (BTreeMap<RegistryName, Slot>, Timestamp) {
    let now = || site.clock.now();
    (state.load(lines.registries(), now).await, since.unwrap_or_else(now))
}

/// Returns once there are other settings, or another way to registries and clouds.
async fn accepted(
    settings: &mut watch::Receiver<Arc<Settings>>,
    outside: &mut watch::Receiver<Arc<Outside>>,
) -> Result<(), watch::error::RecvError> {
    tokio::select! {
        changed = settings.changed() => changed,
        changed = outside.changed() => changed,
    }
}

/// A configuration was accepted that cannot be put to work: what runs now is neither it nor the one before.
fn broken(error: &StartError) -> End {
    error!(error = %causes::joined(error, ": "), "could not put the configuration to work; ending the process");
    End::Broken
}

fn permit(mandate: Mandate) -> Permit {
    Arc::new(move || mandate.holds())
}
