//! What becomes of a write, and of one that failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::sync::accounts::Account;
use crate::sync::apply::Setback;
use crate::sync::incident::Incident;
use crate::sync::queue::Urgency;
use crate::sync::summary::State;
use crate::sync::{Done, Key, Strange, Syncer, WAIT_AGAIN, manifest, now};

/// What to do about a Secret that belongs to somebody else.
pub(super) const CONSENT: &str =
    "rename it, delete it, or let pullmint have it: kubectl annotate secret NAME pullmint.dev/adopt=true";

const UNCHANGEABLE: &str = "a Secret's type and an immutable Secret cannot be changed: once no pod needs it, delete it, and pullmint makes it anew";

const FORBIDDEN: &str = "grant what `pullmint rbac` prints, and see whether an admission policy objects";

const RETIRED_SECRET: &str = "no registry has a Secret of this name any more, and the roles no longer allow to delete \
    it: until it is gone, name it under `retired_secrets`, grant what `pullmint rbac` then prints, and leave it in the list of \
    the admission policies, if there are any";

const RETIRED_ACCOUNT: &str = "no registry names this ServiceAccount any more, and the roles no longer allow to take the \
    pull Secret off it: until that is done, name it under `retired_service_accounts`, grant what `pullmint rbac` then prints, \
    and leave the Secret in the list of the admission policies, if there are any";

const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

/// A longer wish is not granted: it may be that of a single webhook, and everything waits for it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

/// While there is no API server: it may be back any moment, and then everything waits for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Syncer {
    /// Takes in how a write ended. What the API server answered is at once what is observed.
    pub(super) fn settle(&mut self, key: &Key, done: Done, took: Duration) {
        let buried = self.memory.get_mut(key).and_then(|memory| memory.buried.take());
        let mut changed = true;
        let outcome = match (key, done) {
            (Key::Secret(place, namespace), Done::Written { over, answer: Ok(secret) }) => {
                let observed = manifest::observe(&secret, &self.setting.owner);
                // An apply that found everything as it should be has changed nothing.
                changed = over.as_ref() != Some(&observed.resource_version);
                if buried.as_ref() != Some(&observed.uid) {
                    let memory = self.memory.entry(key.clone()).or_default();
                    memory.applied = Some(observed.resource_version.clone());
                    memory.confirmed_at = Some(self.setting.clock.now());
                    self.celebrate(key, *place, namespace, changed.then_some(&observed.uid));
                    self.see_secret(*place, Arc::clone(namespace), observed);
                }
                Ok(())
            }
            (Key::Account(place, namespace), Done::Patched(Ok(account))) => {
                let account = Account::from(account);
                if buried.as_ref() != Some(&account.uid) {
                    self.see_account(*place, Arc::clone(namespace), account);
                }
                Ok(())
            }
            (
                _,
                Done::Written { answer: Err(setback), .. } | Done::Patched(Err(setback)) | Done::Deleted(Err(setback)),
            ) => Err(setback),
            (_, Done::Written { .. } | Done::Patched(_) | Done::Deleted(_)) => Ok(()),
        };
        self.adapt(&outcome, took);
        match outcome {
            Ok(()) => {
                self.writes += u64::from(changed);
                self.memory.entry(key.clone()).or_default().setbacks = 0;
            }
            Err(setback) => self.set_back(key, setback),
        }
        self.queue.done(key);
    }

    /// Whoever answers is there; how it answers says how much it bears.
    fn adapt(&mut self, outcome: &Result<(), Setback>, took: Duration) {
        match outcome {
            Err(Setback::Unreachable(_)) => return,
            Err(Setback::Throttled(_) | Setback::Overloaded(_)) => self.pace.overloaded(now()),
            Ok(()) | Err(_) => self.pace.answered(took, now()),
        }
        self.outages = 0;
    }

    /// A Secret is as it should be: for the first time, or again. Where the write changed nothing, somebody's hand on it had
    /// changed nothing of ours either, or it was our own in a write whose answer was lost.
    fn celebrate(&mut self, key: &Key, secret: usize, namespace: &Arc<str>, changed: Option<&String>) {
        if let Some(since) = self.await_no_more(secret, namespace) {
            self.reports.metrics.covered(now() - since);
        }
        let strange = self.memory.get_mut(key).and_then(|memory| memory.strange.take());
        if let (Some(strange), Some(uid)) = (strange, changed) {
            let Strange { since, by } = *strange;
            self.reports.metrics.repaired(now() - since);
            let name = self.name_of(key);
            let uid = Some(uid.clone());
            self.tell(Incident::Repaired { namespace: name.namespace, secret: name.name, uid, by });
        }
    }

    /// The Secret is there. Tells since when it has been waited for, if it has.
    pub(super) fn await_no_more(&mut self, secret: usize, namespace: &Arc<str>) -> Option<Instant> {
        self.namespaces.get_mut(namespace)?.awaited.remove(&secret)
    }

    /// What to do about an object that nothing in the configuration names any more; of others nothing.
    fn retired(&self, key: &Key) -> Option<&'static str> {
        match key {
            Key::Secret(place, _) => self.plan.registries(*place).next().is_none().then_some(RETIRED_SECRET),
            Key::Account(place, _) => (!self.plan.is_claimed(&self.plan.accounts[*place])).then_some(RETIRED_ACCOUNT),
        }
    }

    fn set_back(&mut self, key: &Key, setback: Setback) {
        let memory = self.memory.entry(key.clone()).or_default();
        memory.setbacks = memory.setbacks.saturating_add(1);
        let delay = back_off(memory.setbacks);
        let name = self.name_of(key);
        if let Some(reason) = setback.conflict() {
            self.reports.metrics.conflicted(reason);
        }
        match setback {
            // The watch will show what has changed, and then the key is looked at again; the delay is for the case
            // that it already has.
            Setback::Outdated => {
                debug!(object = %name, "changed meanwhile; looking again");
                // Until then nobody knows what it holds.
                self.set_state(key, Some(State::Waiting("it changed during the write; looking again".to_owned())));
            }
            Setback::Gone => {
                debug!(object = %name, "the namespace is going away");
                self.set_state(key, None);
                self.queue.push_later(key.clone(), delay.max(WAIT_AGAIN));
                return;
            }
            Setback::Foreign(owners) => {
                self.set_state(key, Some(State::Refused(format!("owned by {owners}; {CONSENT}"))));
                self.queue.push_later(key.clone(), delay.max(WAIT_AGAIN));
                return;
            }
            Setback::Unchangeable(error) => {
                self.set_state(key, Some(State::Refused(format!("{error}; {UNCHANGEABLE}"))));
                self.queue.push_later(key.clone(), LONGEST_BACK_OFF);
                return;
            }
            Setback::Throttled(patience) => {
                self.reports.metrics.throttled();
                let patience = patience.unwrap_or(delay).min(LONGEST_PATIENCE);
                warn!(seconds = patience.as_secs_f64(), "the API server asks for patience");
                self.paused_until = self.paused_until.max(Some(now() + patience));
                self.queue.push(key.clone(), Urgency::Bulk);
                return;
            }
            Setback::Unreachable(error) => {
                // All writes in flight fail together, and are one failure; those to come would fail like them.
                if self.paused_until.is_none() {
                    self.outages = self.outages.saturating_add(1);
                    let pause = back_off(self.outages).min(LONGEST_PAUSE);
                    warn!(error, seconds = pause.as_secs_f64(), "no API server; pausing");
                    self.paused_until = Some(now() + pause);
                }
                self.set_state(key, Some(State::Failing(error)));
                self.queue.push_later(key.clone(), delay.min(LONGEST_PAUSE));
                return;
            }
            Setback::Forbidden(error) => {
                if let Some(remedy) = self.retired(key) {
                    self.set_state(key, Some(State::LeftOver(format!("{error}; {remedy}"))));
                    self.queue.push_later(key.clone(), LONGEST_BACK_OFF);
                    return;
                }
                warn!(object = %name, error, remedy = FORBIDDEN, "may not write");
                self.set_state(key, Some(State::Failing(format!("{error}; {FORBIDDEN}"))));
            }
            Setback::Overloaded(error) | Setback::Failed(error) => {
                warn!(object = %name, error, "could not write; trying again");
                self.set_state(key, Some(State::Failing(error)));
            }
        }
        self.queue.push_later(key.clone(), delay);
    }
}

/// One second, doubled with each setback up to five minutes, and somewhere between half and all of that.
fn back_off(setbacks: u32) -> Duration {
    let whole = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(setbacks.min(16) - 1)).min(LONGEST_BACK_OFF);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}
