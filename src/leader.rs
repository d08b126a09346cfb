//! Which of several pullmints works: leader election by a Lease in pullmint's own namespace.
//!
//! ```text
//! Lease ─look, watch─► Election (pure) ─► Step ─► create, take, renew ─► Lease
//!                          └─► watch<Leadership>, Mandate
//! ```
//!
//! What is right does not depend on it: an apply can be repeated, and no older credential replaces a newer one. The
//! election saves mints, and keeps two of them from writing at once.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::pulse::Pulse;
use crate::rbac;

pub mod election;
mod lease;
mod mandate;

use election::{Election, Record, Step};
use lease::{LeaseObject, Sightings, Trouble};
pub use mandate::Mandate;

/// The Lease's name.
pub const NAME: &str = rbac::LEASE;

/// What this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// It watches, and takes over when the leader falls silent.
    Standby {
        /// The identity of the leader, as far as known.
        holder: Option<String>,
    },
    /// It mints and writes.
    Leading {
        /// Since when.
        since: Timestamp,
    },
}

/// How patient the election is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others trust the leader without a sign of life. Whole seconds; the Lease knows no others.
    pub lease: Duration,
    /// How long the leader trusts itself without one; shorter, so that it has stopped before others begin.
    pub deadline: Duration,
    /// Between two signs of life, and after a failure.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// Takes part in the election.
pub struct Elector {
    election: Election,
    lease: LeaseObject,
    clock: Arc<dyn Clock>,
    timing: Timing,
    mandate: Mandate,
    leading_since: Option<Timestamp>,
    sightings: Option<Sightings>,
    /// The failure that the log has told of, and when.
    told: Option<(String, Duration)>,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elector").field("election", &self.election).finish_non_exhaustive()
    }
}

impl Elector {
    /// One that takes part as `identity`, made unique to this process: a container that starts anew has its
    /// predecessor's name, and must not believe its predecessor's lease to be its own.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: &str, timing: Timing, clock: Arc<dyn Clock>) -> Self {
        let me = format!("{identity}{UNIQUE}{:08x}", fastrand::u32(..));
        Self {
            lease: LeaseObject::new(client, namespace, me.clone(), timing.lease),
            election: Election::new(me, timing),
            mandate: Mandate::new(Arc::clone(&clock)),
            clock,
            timing,
            leading_since: None,
            sightings: None,
            told: None,
        }
    }

    /// Says at any instant whether this process leads, without the delay of a channel.
    #[must_use]
    pub fn mandate(&self) -> Mandate {
        self.mandate.clone()
    }

    /// Takes part for ever. On `stop`, which should come after the last write, it gives the Lease back and returns.
    pub async fn run(mut self, tell: watch::Sender<Leadership>, stop: CancellationToken, pulse: Pulse) {
        loop {
            pulse.beat(self.clock.now());
            self.tell(&tell);
            let step = self.election.next(self.clock.uptime());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.act(step) => {}
            }
        }
        self.give_back(&tell).await;
    }

    /// Tells what the election says at this instant: after a freeze, that the leadership has ended.
    fn tell(&mut self, tell: &watch::Sender<Leadership>) {
        let leads = self.election.leads(self.clock.uptime());
        self.mandate.set(self.election.leads_until());
        let leadership = if leads {
            Leadership::Leading { since: *self.leading_since.get_or_insert_with(|| self.clock.now()) }
        } else {
            self.leading_since = None;
            Leadership::Standby { holder: self.election.holder().map(|holder| shown(holder).to_owned()) }
        };
        tell.send_if_modified(|told| {
            let news = *told != leadership;
            match (&told, &leadership) {
                _ if !news => {}
                (Leadership::Leading { .. }, Leadership::Standby { holder }) => {
                    warn!(?holder, "lost the lease; standing by");
                }
                (_, Leadership::Standby { holder }) => info!(?holder, "standing by"),
                (_, Leadership::Leading { .. }) => info!("leading"),
            }
            *told = leadership;
            news
        });
    }

    async fn act(&mut self, step: Step) {
        let (sent_at, limit) = (self.clock.uptime(), self.patience());
        match step {
            Step::Wait(until) => self.wait(until.saturating_sub(sent_at)).await,
            Step::Look => {
                let seen = within(limit, self.lease.look()).await;
                self.observe(seen);
            }
            Step::Create => {
                let seen = within(limit, self.lease.create()).await.map(Some);
                self.observe(seen);
            }
            Step::Take(record) => {
                let written = within(limit, self.lease.take(&record, self.clock.now())).await;
                self.hold(sent_at, written);
            }
            Step::Renew(record) => {
                let written = within(limit, self.lease.renew(&record, self.clock.now())).await;
                self.hold(sent_at, written);
            }
        }
    }

    /// Sleeps, unless the watch shows that the Lease has changed.
    async fn wait(&mut self, pause: Duration) {
        let Some(sightings) = &mut self.sightings else { return sleep(pause).await };
        tokio::select! {
            () = sleep(pause) => {}
            seen = sightings.next() => match seen {
                Some(Ok(record)) => self.election.observe(self.clock.uptime(), record),
                // It begins anew with the next look.
                Some(Err(trouble)) => {
                    self.sightings = None;
                    self.complain(trouble);
                }
                // As every watch does after some minutes: the next one goes on from there.
                None => self.sightings = self.election.version().map(|version| self.lease.watch(version)),
            }
        }
    }

    /// How long a call may take: a leader's must not outlast its leadership.
    fn patience(&self) -> Duration {
        let now = self.clock.uptime();
        let end = self.election.leads_until().and_then(|until| until.checked_sub(now)).unwrap_or(Duration::MAX);
        (self.timing.deadline / 2).min(end)
    }

    fn observe(&mut self, seen: Result<Option<Record>, Trouble>) {
        match seen {
            Ok(record) => {
                self.sightings = record.as_ref().map(|record| self.lease.watch(&record.version));
                self.election.observe(self.clock.uptime(), record);
            }
            Err(trouble) => self.fail(trouble),
        }
    }

    fn hold(&mut self, sent_at: Duration, written: Result<Record, Trouble>) {
        match written {
            Ok(record) => {
                self.sightings = None;
                self.election.hold(sent_at, record);
            }
            Err(trouble) => self.fail(trouble),
        }
    }

    fn fail(&mut self, trouble: Trouble) {
        let now = self.clock.uptime();
        match trouble {
            Trouble::Outdated => self.election.lose_race(now),
            Trouble::Forbidden(_) | Trouble::Failed(_) => self.election.fail(now),
        }
        self.complain(trouble);
    }

    /// The same failure is told once a minute, not every two seconds.
    fn complain(&mut self, trouble: Trouble) {
        let (error, remedy) = match trouble {
            Trouble::Outdated => return debug!(lease = NAME, "the lease changed meanwhile"),
            Trouble::Forbidden(error) => (error, Some("grant what `pullmint rbac` prints for this namespace")),
            Trouble::Failed(error) => (error, None),
        };
        let now = self.clock.uptime();
        let is_known = |(told, at): &(String, Duration)| *told == error && now.saturating_sub(*at) < TELL_AGAIN;
        if !self.told.as_ref().is_some_and(is_known) {
            warn!(lease = NAME, error, remedy, "the lease is out of reach; trying again");
            self.told = Some((error, now));
        }
    }

    /// Lets others begin at once, if we lead.
    async fn give_back(mut self, tell: &watch::Sender<Leadership>) {
        self.mandate.set(None);
        tell.send_replace(Leadership::Standby { holder: None });
        // The renewal that was broken off last may still arrive between the look and the write.
        let given_back = timeout(self.timing.retry, async {
            loop {
                match self.lease.give_back(self.clock.now()).await {
                    Err(Trouble::Outdated) => {}
                    given_back => return given_back,
                }
            }
        });
        match given_back.await {
            Ok(Ok(true)) => info!(lease = NAME, "gave the lease back"),
            Ok(Ok(false)) => {}
            Ok(Err(trouble)) => self.complain(trouble),
            Err(_) => warn!(lease = NAME, "could not give the lease back in time; it will expire"),
        }
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(Trouble::Failed("no answer in time".to_owned())))
}

/// After which the same failure is told again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What makes an identity unique; it is in no name of a Pod or a machine.
const UNIQUE: char = '_';

/// The identity without what makes it unique.
fn shown(holder: &str) -> &str {
    holder.rsplit_once(UNIQUE).map_or(holder, |(identity, _)| identity)
}
