//! Signs of life: each loop says that it still turns, so that a daemon that does nothing can be told from one with
//! nothing to do.
//!
//! Whoever owns a loop holds its [`Pulse`] and beats it; health, metrics and status read all of them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::Clock;

/// Between two beats of a loop that rests.
const BEAT: Duration = Duration::from_secs(10);

/// The longest silence of a loop that beats whenever it comes round, and while it rests: each of its steps takes less.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(60);

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
    /// The last beat, in seconds since the epoch: for people.
    last: AtomicI64,
    /// The same for judging: nobody sets this clock, and it stands still while the machine sleeps, as all loops do.
    last_at: Mutex<Instant>,
    limit: Duration,
    trouble: Mutex<Option<Trouble>>,
}

/// Why a watch shows nothing although it lives: it was answered, or nobody is there to answer. No restart mends that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Which kind.
    pub reason: TroubleReason,
    /// What the API server said, or what became of the request.
    pub message: String,
    /// What a person can do.
    pub remedy: &'static str,
}

/// What a watch can suffer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleReason {
    /// The API server says no.
    Refused,
    /// The API server cannot be reached, or has trouble of its own.
    Unavailable,
}

impl TroubleReason {
    /// All of them, for labels that exist from the start.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Unavailable];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A pulse as it was last felt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose: `syncer`, `watch secrets pullmint-ecr`.
    pub name: String,
    /// The last beat.
    pub last: Timestamp,
    /// How long the loop has been silent since, whatever has been done to the clock.
    pub silence: Duration,
    /// The longest silence that is still a sign of health.
    pub limit: Duration,
    /// Of a watch: why it shows nothing although it lives.
    pub trouble: Option<Trouble>,
}

impl Pulses {
    /// A loop begins, with a first beat. `limit` is the longest silence that is still a sign of health.
    #[must_use]
    pub fn start(&self, name: impl Into<String>, limit: Duration, now: Timestamp) -> Pulse {
        let name = name.into();
        let last = AtomicI64::new(now.as_second());
        let shared = Arc::new(Shared { last, last_at: Mutex::new(instant()), limit, trouble: Mutex::default() });
        self.lock().insert(name.clone(), Arc::clone(&shared));
        Pulse { name, shared, pulses: self.clone() }
    }

    /// Somebody heard something of the loop of this name, if there is one.
    pub fn heard(&self, name: &str, now: Timestamp) {
        if let Some(shared) = self.lock().get(name) {
            shared.beat(now);
            *shared.trouble() = None;
        }
    }

    /// The watch of this name was let in. That is no sign of life yet, but the end of its trouble.
    pub fn admitted(&self, name: &str) {
        if let Some(shared) = self.lock().get(name) {
            *shared.trouble() = None;
        }
    }

    /// The watch of this name was answered, but shows nothing. Tells whether anybody waits for it.
    pub fn troubled(&self, name: &str, trouble: &Trouble, now: Timestamp) -> bool {
        let all = self.lock();
        let Some(shared) = all.get(name) else { return false };
        shared.beat(now);
        *shared.trouble() = Some(trouble.clone());
        true
    }

    /// All pulses, in the order of their names.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        let beat = |(name, shared): (&String, &Arc<Shared>)| Beat {
            name: name.clone(),
            last: Timestamp::from_second(shared.last.load(Ordering::Relaxed)).unwrap_or(Timestamp::MIN),
            silence: instant().saturating_duration_since(*lock(&shared.last_at)),
            limit: shared.limit,
            trouble: shared.trouble().clone(),
        };
        self.lock().iter().map(beat).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        lock(&self.all)
    }
}

impl Shared {
    fn beat(&self, now: Timestamp) {
        self.last.store(now.as_second(), Ordering::Relaxed);
        *lock(&self.last_at) = instant();
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        lock(&self.trouble)
    }
}

/// Nothing can panic while one is held; what is in it is good all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::disallowed_methods, reason = "measures silence, which nobody can set")]
fn instant() -> Instant {
    Instant::now()
}

/// The pulse of the watch on these objects: a resource, and their name where the watch is limited to it.
#[must_use]
pub fn watch_name(objects: &str) -> String {
    format!("watch {objects}")
}

impl Pulse {
    /// Still turning.
    pub fn beat(&self, now: Timestamp) {
        self.shared.beat(now);
    }

    /// Beats for as long as it is polled: one branch of the `select!` in which a loop rests until something happens. A
    /// loop that is stuck anywhere else falls silent.
    pub async fn rest(&self, clock: &dyn Clock) -> Infallible {
        loop {
            self.beat(clock.now());
            tokio::time::sleep(BEAT).await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(seconds: u64) -> Timestamp {
        NOON + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_the_time_since_the_last_beat_also_if_the_clock_is_set_meanwhile() {
        let pulses = Pulses::default();
        let pulse = pulses.start("syncer", Duration::from_secs(30), NOON);
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(pulses.beats()[0].silence, Duration::from_secs(31));
        pulse.beat(after(7 * 3600));
        assert_eq!((pulses.beats()[0].silence, pulses.beats()[0].last), (Duration::ZERO, after(7 * 3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_rests_beats_and_one_that_is_stuck_does_not() {
        let pulses = Pulses::default();
        let clock = SystemClock;
        let pulse = pulses.start("daemon", LONGEST_SILENCE, NOON);
        let resting = tokio::time::timeout(BEAT, pulse.rest(&clock)).await;
        assert!(resting.is_err() && pulses.beats()[0].last != NOON);
        pulse.beat(NOON);
        tokio::time::sleep(LONGEST_SILENCE).await;
        assert_eq!(pulses.beats()[0].last, NOON);
    }

    #[test]
    fn a_watch_in_trouble_lives_and_its_trouble_ends_when_it_is_let_in() {
        let trouble = Trouble { reason: TroubleReason::Refused, message: "no".to_owned(), remedy: "grant it" };
        let (pulses, name) = (Pulses::default(), watch_name("namespaces"));
        assert!(!pulses.troubled(&name, &trouble, after(1)), "nobody waits for it");
        let _watch = pulses.start(&name, Duration::from_secs(1), NOON);
        assert!(pulses.troubled(&name, &trouble, after(1)));
        assert_eq!((pulses.beats()[0].last, &pulses.beats()[0].trouble), (after(1), &Some(trouble)));
        pulses.admitted(&name);
        assert_eq!((pulses.beats()[0].last, &pulses.beats()[0].trouble), (after(1), &None));
    }

    #[test]
    fn a_loop_that_ended_is_not_missed_and_its_successor_keeps_the_name() {
        let pulses = Pulses::default();
        let first = pulses.start("syncer", Duration::from_secs(1), NOON);
        let second = pulses.start("syncer", Duration::from_secs(1), after(5));
        drop(first);
        assert_eq!(pulses.beats().len(), 1);
        assert_eq!(pulses.beats()[0].last, after(5));
        drop(second);
        assert!(pulses.beats().is_empty());
    }
}
