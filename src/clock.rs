//! Time as an input. Nothing else in pullmint reads a clock.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant, which nobody can set: it goes on while the process is stopped, and while the
    /// machine sleeps.
    fn uptime(&self) -> Duration;

    /// Returns once [`Clock::now`] has reached `at`, at once when it already has.
    ///
    /// It never takes longer than it would by the clock as it is at the beginning: one that is set back meanwhile makes
    /// nobody sleep on. The wait is cut into slices, so that a clock that is set forward, or a machine that slept, delays
    /// the return by one slice at most.
    async fn sleep_until(&self, at: Timestamp) {
        let until = |at: Timestamp| Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        let (longest, started) = (until(at), self.uptime());
        loop {
            let slept = self.uptime().saturating_sub(started);
            let left = until(at).min(longest.saturating_sub(slept));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLICE)).await;
        }
    }
}

/// How long a sleep trusts that the wall clock and the monotonic clock agree.
const LONGEST_SLICE: Duration = Duration::from_secs(30);

/// The machine's wall clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one lawful reading of the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }
}

/// A clock that starts at a chosen instant and follows tokio's time, which tests can pause and advance.
#[derive(Debug)]
pub struct TokioClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start` now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one lawful reading of tokio's clock")]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    fn uptime(&self) -> Duration {
        self.origin.elapsed()
    }
}
