//! Signs of life: each loop says that it still turns, so that a daemon that does nothing can be told from one with
//! nothing to do.
//!
//! Whoever owns a loop holds its [`Pulse`] and beats it; health, metrics and status read all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// All pulses of the process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    all: Arc<Mutex<BTreeMap<String, Arc<Shared>>>>,
}

/// One loop's pulse. It counts as long as it is held.
#[derive(Debug)]
pub struct Pulse {
    name: String,
    shared: Arc<Shared>,
    pulses: Pulses,
}

#[derive(Debug)]
struct Shared {
    /// Seconds since the epoch.
    last: AtomicI64,
    limit: Duration,
}

/// A pulse as it was last felt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose: `syncer`, `keeper ecr`, `watch secrets pullmint-ecr`.
    pub name: String,
    /// The last beat.
    pub last: Timestamp,
    /// The longest silence that is still a sign of health.
    pub limit: Duration,
}

impl Pulses {
    /// A loop begins, with a first beat. `limit` is the longest silence that is still a sign of health.
    #[must_use]
    pub fn start(&self, name: impl Into<String>, limit: Duration, now: Timestamp) -> Pulse {
        let name = name.into();
        let shared = Arc::new(Shared { last: AtomicI64::new(now.as_second()), limit });
        self.lock().insert(name.clone(), Arc::clone(&shared));
        Pulse { name, shared, pulses: self.clone() }
    }

    /// Somebody heard something of the loop of this name, if there is one.
    pub fn heard(&self, name: &str, now: Timestamp) {
        if let Some(shared) = self.lock().get(name) {
            shared.last.store(now.as_second(), Ordering::Relaxed);
        }
    }

    /// All pulses, in the order of their names.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        let beat = |(name, shared): (&String, &Arc<Shared>)| Beat {
            name: name.clone(),
            last: Timestamp::from_second(shared.last.load(Ordering::Relaxed)).unwrap_or(Timestamp::MIN),
            limit: shared.limit,
        };
        self.lock().iter().map(beat).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        // Nothing can panic while it is held; a map is a map all the same.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pulse of the watch on these objects: a resource, and their name where the watch is limited to it.
#[must_use]
pub fn watch_name(objects: &str) -> String {
    format!("watch {objects}")
}

impl Pulse {
    /// Still turning.
    pub fn beat(&self, now: Timestamp) {
        self.shared.last.store(now.as_second(), Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let mut all = self.pulses.lock();
        // Another one may have the name by now.
        if all.get(&self.name).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            all.remove(&self.name);
        }
    }
}

impl Beat {
    /// How much too late it is; `None` while it is in time.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Option<Duration> {
        let silence = Duration::try_from(now.duration_since(self.last)).unwrap_or_default();
        silence.checked_sub(self.limit).filter(|late| !late.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(seconds: u64) -> Timestamp {
        NOON + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silence_is_overdue_only_when_it_is_longer_than_its_limit() {
        let pulses = Pulses::default();
        let pulse = pulses.start("syncer", Duration::from_secs(30), NOON);
        assert_eq!(pulses.beats()[0].overdue(after(30)), None);
        assert_eq!(pulses.beats()[0].overdue(after(31)), Some(Duration::from_secs(1)));
        pulse.beat(after(31));
        assert_eq!(pulses.beats()[0].overdue(after(31)), None);
    }

    #[test]
    fn a_loop_that_ended_is_not_missed_and_its_successor_keeps_the_name() {
        let pulses = Pulses::default();
        let first = pulses.start("keeper ecr", Duration::from_secs(1), NOON);
        let second = pulses.start("keeper ecr", Duration::from_secs(1), after(5));
        drop(first);
        assert_eq!(pulses.beats().len(), 1);
        assert_eq!(pulses.beats()[0].last, after(5));
        drop(second);
        assert!(pulses.beats().is_empty());
    }
}
