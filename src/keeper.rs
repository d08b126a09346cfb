//! Keeps one registry's credential alive: mint, verify, publish, sleep. One task per registry.
//!
//! The keeper is the only writer of its [`Slot`]. It knows no Secrets; from the syncer it learns one value,
//! the [`Coverage`], which tells when a replaced token may be deleted at its issuer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::credential::{Credential, Expiry};
use crate::cron::Ticks;
use crate::metrics::Metrics;
use crate::provider::{MintError, Provider, Reason};
use crate::registry::RegistryName;

pub mod deletion;
pub mod schedule;
pub mod slot;
pub mod ticker;
mod unpublished;

use schedule::{Failures, History, Life};
use slot::{Attempt, Coverage, Failure, Minted, Retired, Slot, Verification};
use unpublished::Unpublished;

/// A mint that takes longer has failed.
const MINT_TIMEOUT: Duration = Duration::from_secs(45);

/// A verification or a revocation that takes longer gave no verdict.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two questions how many pulls are left: a pull limit's window is hours long.
const ASK_LIMIT_EVERY: Duration = Duration::from_secs(600);

/// The same of a registry that knows no limit: an account's plan may change.
const ASK_UNLIMITED_EVERY: Duration = Duration::from_secs(6 * 3600);

const TRY: &str = "try the credential at the registry";

/// What a keeper is told once.
#[derive(Debug)]
pub struct Task {
    /// Whose credential this is.
    pub registry: RegistryName,
    /// Who mints it.
    pub provider: Arc<dyn Provider>,
    /// The part of the life after which it is renewed.
    pub renew_at: f64,
    /// When it is told to renew besides.
    pub ticks: Option<Ticks>,
    /// Whether the registry is asked before a credential is published.
    pub verify: bool,
    /// Where its attempts are counted.
    pub metrics: Metrics,
}

/// One registry's keeper.
#[derive(Debug)]
pub struct Keeper {
    task: Task,
    clock: Arc<dyn Clock>,
    slot: Arc<watch::Sender<Slot>>,
    coverage: watch::Receiver<Coverage>,
    renew_now: Arc<Notify>,
    began: Timestamp,
    last_attempt: Option<Timestamp>,
    retry_after: Option<Duration>,
    revoke_not_before: Timestamp,
    ask_limit_at: Timestamp,
}

impl Keeper {
    /// A keeper that goes on from what `slot` holds: nothing, or what an earlier keeper left. While it lives, nobody
    /// else may write the slot, but to say that other settings are in force, which ends it.
    #[must_use]
    pub fn new(
        task: Task,
        clock: Arc<dyn Clock>,
        slot: Arc<watch::Sender<Slot>>,
        coverage: watch::Receiver<Coverage>,
    ) -> Self {
        Self {
            task,
            began: clock.now(),
            clock,
            slot,
            coverage,
            renew_now: Arc::default(),
            last_attempt: None,
            retry_after: None,
            revoke_not_before: Timestamp::MIN,
            ask_limit_at: Timestamp::MIN,
        }
    }

    /// Notify it, and the keeper renews at once. Several notifications are one.
    #[must_use]
    pub fn renew_now(&self) -> Arc<Notify> {
        Arc::clone(&self.renew_now)
    }

    /// Renews for ever.
    pub async fn run(mut self) {
        self.judge_untried().await;
        loop {
            let due = self.plan();
            let revoke_at = self.next_revocation();
            let (clock, renew_now) = (Arc::clone(&self.clock), Arc::clone(&self.renew_now));
            let not_before = self.last_attempt.and_then(|at| at.checked_add(schedule::FLOOR).ok());
            let nudged = async {
                clock.sleep_until(not_before.unwrap_or(Timestamp::MIN)).await;
                renew_now.notified().await;
                // One that came meanwhile wants what this one gets.
                let _more = renew_now.notified().now_or_never();
            };
            tokio::select! {
                () = clock.sleep_until(due) => self.attempt().await,
                () = nudged => self.attempt().await,
                () = clock.sleep_until(revoke_at), if revoke_at < Timestamp::MAX => self.revoke_due().await,
                () = clock.sleep_until(self.ask_limit_at), if self.has_credential() => self.ask_limit().await,
                Ok(()) = self.coverage.changed() => self.note_coverage(),
            }
        }
    }

    /// One attempt, for those who want a single pass; the slot tells how it went.
    pub async fn run_once(mut self) {
        if self.plan() <= self.clock.now() {
            self.attempt().await;
        }
    }

    /// Decides when to ask next of its own accord, and lets everybody know when it will, on its own or told by a tick.
    fn plan(&mut self) -> Timestamp {
        let now = self.clock.now();
        // A clock that was set back must not make a future of what has been.
        self.last_attempt = self.last_attempt.map(|at| at.min(now));
        self.began = self.began.min(now);
        self.revoke_not_before = self.revoke_not_before.min(later(now, deletion::RETRY));
        self.ask_limit_at = self.ask_limit_at.min(later(now, ASK_UNLIMITED_EVERY));
        let slot = self.slot.borrow();
        let history = History {
            life: slot
                .current
                .as_ref()
                .filter(|_| !slot.superseded)
                .map(|minted| Life { minted_at: minted.minted_at, expiry: minted.credential.expiry }),
            renew_at: self.task.renew_at,
            polled: self.task.provider.is_polled(),
            last_attempt: self.last_attempt,
            failures: slot.failure.as_ref().map(|failure| Failures {
                consecutive: failure.consecutive,
                lasting: failure.reason.lasts(),
                retry_after: self.retry_after,
            }),
        };
        drop(slot);
        let due = schedule::next(&history, now, self.jitter());
        let tick = self.task.ticks.as_ref().and_then(|ticks| ticks.next_after(self.last_attempt.unwrap_or(self.began)));
        self.slot.send_modify(|slot| {
            slot.next_attempt = Some(tick.map_or(due, |tick| tick.min(due)));
            for retired in &mut slot.retired {
                retired.covered_at = retired.covered_at.map(|at| at.min(now));
            }
        });
        let missed = tick.and_then(|tick| tick.checked_add(schedule::MISSED).ok());
        missed.map_or(due, |missed| missed.min(due))
    }

    /// The same number until the next attempt, so that a plan made anew is the same plan.
    fn jitter(&self) -> f64 {
        let seed = self.last_attempt.map_or(0, |at| at.as_nanosecond().unsigned_abs() as u64);
        fastrand::Rng::with_seed(seed).f64()
    }

    async fn attempt(&mut self) {
        let (started, began) = (self.clock.now(), self.clock.uptime());
        let outcome = self.mint(started).await;
        let (ended, took) = (self.clock.now(), self.clock.uptime().saturating_sub(began));
        self.last_attempt = Some(ended);
        let failed = outcome.as_ref().err().map(|setback| setback.error.reason);
        // To find a file as it was is no renewal.
        if failed.is_some() || outcome.as_ref().is_ok_and(|minted| self.is_new(&minted.credential)) {
            self.task.metrics.attempted(&self.task.registry, failed, took);
            self.slot.send_if_modified(|slot| {
                slot.note(Attempt { at: ended, failed });
                // What comes of it is told next.
                false
            });
        }
        match outcome {
            Ok(minted) => self.publish(&minted),
            Err(Setback { published, error }) => {
                if let Some(minted) = published {
                    self.publish(&minted);
                }
                self.fail(&error, started);
            }
        }
    }

    async fn mint(&mut self, now: Timestamp) -> Result<Minted, Setback> {
        let credential = Unpublished::mint(&self.task.registry, &self.task.provider).await?;
        if credential.expiry.is_past(now) {
            return Err(expired_when_minted(credential.expiry).into());
        }
        let known = self.slot.borrow().current.clone().filter(|current| same(&current.credential, &credential));
        if let Some(known) = &known
            && !self.wants_verdict(known, now)
        {
            return Ok(Minted::clone(known));
        }
        let minted_at = known.map_or_else(|| self.newest(now), |known| known.minted_at);
        let verified_at = self.task.verify.then_some(now);
        let minted = |credential: Unpublished, verification| Minted {
            credential: credential.publish(),
            minted_at,
            verification,
            verified_at,
        };
        match self.verify(&credential).await {
            Ok(verification) => Ok(minted(credential, verification)),
            Err(refusal) if self.better_than(&credential) => {
                credential.discard().await;
                Err(refusal.into())
            }
            Err(refusal) => Err(Setback { published: Some(minted(credential, Verification::Refused)), error: refusal }),
        }
    }

    /// A mint time that makes a credential the newest, also where an earlier leader's clock was ahead of this one.
    fn newest(&self, now: Timestamp) -> Timestamp {
        let slot = self.slot.borrow();
        let after = |minted: &Arc<Minted>| minted.minted_at.saturating_add(Duration::from_millis(1)).unwrap_or(now);
        slot.current.as_ref().map_or(now, |current| now.max(after(current)))
    }

    /// Whether a credential that is already published should be tried once more.
    fn wants_verdict(&self, known: &Minted, now: Timestamp) -> bool {
        let stale = known.verified_at.is_none_or(|at| at.saturating_add(schedule::RECHECK).is_ok_and(|at| at <= now));
        match known.verification {
            Verification::Skipped => self.task.verify,
            Verification::Accepted => stale,
            Verification::Doubtful(_) | Verification::Refused => true,
        }
    }

    /// Tries a credential that an earlier keeper published without a verdict: it was told not to ask, or got no answer.
    async fn judge_untried(&mut self) {
        let untried = |current: &Arc<Minted>| !matches!(current.verification, Verification::Accepted);
        let current = self.slot.borrow().current.clone().filter(untried);
        let Some(current) = current.filter(|_| self.task.verify) else { return };
        let now = self.clock.now();
        let verdict = self.verify(&current.credential).await;
        let verification = verdict.as_ref().map_or(Verification::Refused, Clone::clone);
        let judged = Minted { verification, verified_at: Some(now), ..Minted::clone(&current) };
        self.slot.send_modify(|slot| slot.current = Some(Arc::new(judged)));
        if let Err(refusal) = verdict {
            self.fail(&refusal, now);
        }
    }

    /// Asks the registry. Only a refusal is an error.
    async fn verify(&self, credential: &Credential) -> Result<Verification, MintError> {
        if !self.task.verify {
            return Ok(Verification::Skipped);
        }
        let asked = timeout(REGISTRY_TIMEOUT, self.task.provider.verify(credential)).await;
        let verdict = match asked.unwrap_or_else(|_| Err(too_slow(TRY, REGISTRY_TIMEOUT))) {
            Ok(()) => Ok(Verification::Accepted),
            Err(refusal) if refusal.reason == Reason::Denied => Err(refusal),
            Err(doubt) => {
                warn!(registry = %self.task.registry, error = %doubt.chain(), "the registry gave no verdict");
                Ok(Verification::Doubtful(doubt.chain()))
            }
        };
        let word = verdict.as_ref().map_or(Verification::Refused.as_str(), Verification::as_str);
        self.task.metrics.verified(&self.task.registry, word);
        verdict
    }

    /// Whether another credential than this one is in force, and not known to be useless.
    fn better_than(&self, credential: &Credential) -> bool {
        let now = self.clock.now();
        self.slot.borrow().current.as_ref().is_some_and(|current| {
            !same(&current.credential, credential)
                && !current.credential.expiry.is_past(now)
                && !matches!(current.verification, Verification::Refused)
        })
    }

    fn has_credential(&self) -> bool {
        self.slot.borrow().current.is_some()
    }

    /// Asks how many pulls are left. No answer leaves what was known, with its time.
    async fn ask_limit(&mut self) {
        let Some(current) = self.slot.borrow().current.clone() else { return };
        let asked = timeout(REGISTRY_TIMEOUT, self.task.provider.pull_limit(&current.credential)).await;
        let now = self.clock.now();
        let is_unlimited = matches!(asked, Ok(Ok(None)));
        let every = if is_unlimited { ASK_UNLIMITED_EVERY } else { ASK_LIMIT_EVERY };
        self.ask_limit_at = later(now, every);
        match asked {
            Ok(Ok(limit)) => {
                self.slot.send_if_modified(|slot| {
                    let told = limit.map(|limit| (limit, now));
                    let is_news = slot.pull_limit != told;
                    slot.pull_limit = told;
                    is_news
                });
            }
            Ok(Err(error)) => {
                debug!(registry = %self.task.registry, error = %error.chain(), "does not know how many pulls are left");
            }
            Err(_) => debug!(registry = %self.task.registry, "no answer to how many pulls are left"),
        }
    }

    fn is_new(&self, credential: &Credential) -> bool {
        self.slot.borrow().current.as_ref().is_none_or(|current| !same(&current.credential, credential))
    }

    fn publish(&mut self, minted: &Minted) {
        self.retry_after = None;
        let renewed = self.is_new(&minted.credential);
        self.slot.send_modify(|slot| {
            if minted.verification != Verification::Refused {
                slot.failure = None;
            }
            slot.superseded = false;
            if let Some(handle) = slot.current.as_ref().and_then(|current| current.credential.handle.clone())
                && renewed
            {
                slot.retired.push(Retired { handle, replaced_at: minted.minted_at, covered_at: None });
            }
            slot.current = Some(Arc::new(minted.clone()));
        });
        if renewed {
            info!(registry = %self.task.registry, credential = %minted.credential.fingerprint(),
                expires = %minted.credential.expiry, verification = minted.verification.as_str(), "minted");
        }
    }

    fn fail(&mut self, error: &MintError, started: Timestamp) {
        self.retry_after = error.retry_after;
        self.slot.send_modify(|slot| {
            let before = slot.failure.as_ref();
            slot.failure = Some(Failure {
                reason: error.reason,
                message: error.chain(),
                remedy: error.remedy.to_string(),
                consecutive: before.map_or(0, |failure| failure.consecutive).saturating_add(1),
                since: before.map_or(started, |failure| failure.since),
            });
        });
        let slot = self.slot.borrow();
        let in_force = slot.current.as_ref().map_or(Expiry::At(started), |current| current.credential.expiry);
        warn!(registry = %self.task.registry, reason = error.reason.as_str(), error = %error.chain(),
            remedy = %error.remedy, last_good_expires = %in_force, "renewal failed");
    }

    fn note_coverage(&mut self) {
        let now = self.clock.now();
        let Some(covered) = self.coverage.borrow_and_update().get(&self.task.registry).copied() else { return };
        self.slot.send_if_modified(|slot| {
            let mut noted = false;
            for retired in slot.retired.iter_mut().filter(|r| r.covered_at.is_none() && r.replaced_at <= covered) {
                retired.covered_at = Some(now);
                noted = true;
            }
            noted
        });
    }

    /// When the next replaced token may go: five minutes after every Secret holds its successor, since a pull that
    /// is under way may still carry it.
    fn next_revocation(&self) -> Timestamp {
        let slot = self.slot.borrow();
        let covered = slot.retired.iter().filter_map(|retired| retired.covered_at).min();
        covered
            .and_then(|at| at.checked_add(schedule::MARGIN).ok())
            .map_or(Timestamp::MAX, |at| at.max(self.revoke_not_before))
    }

    async fn revoke_due(&mut self) {
        let now = self.clock.now();
        let due = |retired: &Retired| {
            retired.covered_at.is_some_and(|at| at.saturating_add(schedule::MARGIN).is_ok_and(|at| at <= now))
        };
        let Some(retired) = self.slot.borrow().retired.iter().find(|retired| due(retired)).cloned() else { return };
        if deletion::delete(&self.task.registry, &*self.task.provider, &retired.handle).await {
            self.slot.send_modify(|slot| slot.retired.retain(|other| other != &retired));
        } else {
            self.revoke_not_before = later(now, deletion::RETRY);
        }
    }
}

/// An attempt that failed, and what was published all the same since there was nothing better.
struct Setback {
    published: Option<Minted>,
    error: MintError,
}

impl From<MintError> for Setback {
    fn from(error: MintError) -> Self {
        Self { published: None, error }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn same(one: &Credential, other: &Credential) -> bool {
    one.fingerprint() == other.fingerprint() && one.username == other.username && one.expiry == other.expiry
}

fn too_slow(attempt: &'static str, limit: Duration) -> MintError {
    MintError {
        reason: Reason::Unreachable,
        attempt: attempt.into(),
        remedy: "check the network path to the cloud and the registry: egress rules, proxy, DNS".into(),
        retry_after: None,
        source: Some(format!("no answer within {} s", limit.as_secs()).into()),
    }
}

fn expired_when_minted(expiry: Expiry) -> MintError {
    MintError {
        reason: Reason::Unexpected,
        attempt: "mint a credential".into(),
        remedy: "compare this machine's clock with the cloud's, or ask for a longer life".into(),
        retry_after: None,
        source: Some(format!("it had already expired when it came: {expiry}").into()),
    }
}
