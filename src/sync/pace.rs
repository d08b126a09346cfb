//! How many writes at a time, and how many a second: as many as the API server bears.
//!
//! Additive increase, multiplicative decrease: whenever the API server asks for patience, cannot serve, or takes longer
//! than it wants to, fewer writes are in flight; each quick answer allows a little more, up to what is configured.
//!
//! Slow answers alone leave a quarter: they may be slow by nature, as behind an admission webhook, and then fewer at a time
//! make none of them quicker.

use std::time::Duration;

use tokio::time::Instant;

/// The API server's own objective for a mutating call (Kubernetes sig-scalability, API call latency SLO: p99 ≤ 1 s).
const SLOW: Duration = Duration::from_secs(1);

/// Refusals within this time are one: they were all under way together.
const BREATH: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// Writes in flight at most, ever.
    ceiling: usize,
    /// Writes in flight at most, at present.
    allowed: f64,
    /// Between two writes.
    interval: Option<Duration>,
    next_write: Option<Instant>,
    slowed_at: Option<Instant>,
}

/// When one more write may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    /// Not before this instant, which is yet to come: the rate alone holds it up.
    At(Instant),
    /// As many as may be are in flight.
    AfterAnAnswer,
}

impl Pace {
    /// As many as `ceiling` in flight, and at most so many a second, if that is limited.
    #[must_use]
    pub(super) fn new(ceiling: usize, writes_per_second: Option<f64>) -> Self {
        let mut this = Self { ceiling, allowed: 0.0, interval: None, next_write: None, slowed_at: None };
        this.limit(ceiling, writes_per_second);
        this
    }

    /// Other limits from now on.
    pub(super) fn limit(&mut self, ceiling: usize, writes_per_second: Option<f64>) {
        self.ceiling = ceiling.max(1);
        self.allowed = self.ceiling as f64;
        self.interval = writes_per_second.map(|rate| Duration::from_secs_f64(1.0 / rate.max(0.001)));
        self.next_write = None;
    }

    /// Whether one more write may begin.
    #[must_use]
    pub(super) fn admission(&self, in_flight: usize, now: Instant) -> Admission {
        if in_flight >= self.in_flight() {
            return Admission::AfterAnAnswer;
        }
        self.next_write.filter(|at| *at > now).map_or(Admission::Now, Admission::At)
    }

    /// A write begins.
    pub(super) fn begin(&mut self, now: Instant) {
        if let Some(interval) = self.interval {
            // A burst of one: what was not used is not saved up.
            self.next_write = Some(self.next_write.map_or(now, |at| at.max(now)) + interval);
        }
    }

    /// A write was answered.
    pub(super) fn answered(&mut self, took: Duration, now: Instant) {
        if took > SLOW {
            let least = (self.ceiling as f64 / 4.0).min(self.allowed);
            self.slow_down(0.75, least, now);
        } else {
            self.allowed = (self.allowed + 1.0 / self.allowed).min(self.ceiling as f64);
        }
    }

    /// The API server asked for patience, or could not serve.
    pub(super) fn overloaded(&mut self, now: Instant) {
        self.slow_down(0.5, 1.0, now);
    }

    fn slow_down(&mut self, factor: f64, least: f64, now: Instant) {
        if self.slowed_at.is_none_or(|at| now - at >= BREATH) {
            self.slowed_at = Some(now);
            self.allowed = (self.allowed * factor).max(least).max(1.0);
        }
    }

    fn in_flight(&self) -> usize {
        self.allowed as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[allow(clippy::disallowed_methods, reason = "a beginning; all else is counted from it")]
    fn start() -> Instant {
        Instant::now()
    }

    fn admits(pace: &Pace, in_flight: usize, now: Instant) -> bool {
        pace.admission(in_flight, now) == Admission::Now
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_half_and_the_other_half_comes_back_slowly() {
        let (mut pace, now) = (Pace::new(16, None), start());
        pace.overloaded(now);
        assert!(admits(&pace, 7, now) && !admits(&pace, 8, now));
        pace.overloaded(now);
        assert!(admits(&pace, 7, now), "refusals of the same moment are one");
        for _ in 0..9 {
            pace.answered(Duration::from_millis(10), now);
        }
        assert!(admits(&pace, 8, now) && !admits(&pace, 10, now));
        for _ in 0..1000 {
            pace.answered(Duration::from_millis(10), now);
        }
        assert!(admits(&pace, 15, now) && !admits(&pace, 16, now));
    }

    #[test]
    fn a_slow_server_gets_less() {
        let (mut pace, now) = (Pace::new(16, None), start());
        pace.answered(Duration::from_secs(2), now);
        assert!(admits(&pace, 11, now) && !admits(&pace, 12, now));
    }

    #[test]
    fn answers_that_are_always_slow_leave_a_quarter_and_refusals_less() {
        let (mut pace, mut now) = (Pace::new(16, None), start());
        for _ in 0..100 {
            now += BREATH;
            pace.answered(Duration::from_millis(1200), now);
        }
        assert!(admits(&pace, 3, now) && !admits(&pace, 4, now));
        for _ in 0..2 {
            now += BREATH;
            pace.overloaded(now);
        }
        pace.answered(Duration::from_millis(1200), now + BREATH);
        assert!(admits(&pace, 0, now) && !admits(&pace, 1, now), "and slowness gives nothing back");
    }

    #[test]
    fn a_rate_spreads_the_writes_and_saves_nothing_up() {
        let (mut pace, now) = (Pace::new(16, Some(10.0)), start());
        assert!(admits(&pace, 0, now));
        pace.begin(now);
        let next = now + Duration::from_millis(100);
        assert_eq!(pace.admission(1, now), Admission::At(next));
        assert_eq!(pace.admission(1, next), Admission::Now);
        assert_eq!(pace.admission(16, now), Admission::AfterAnAnswer);
        let much_later = now + Duration::from_secs(60);
        pace.begin(much_later);
        assert!(!admits(&pace, 1, much_later));
    }

    proptest! {
        #[test]
        fn whatever_the_server_does_one_write_may_always_go_and_never_more_than_configured(
            ceiling in 1_usize..256, answers in prop::collection::vec((any::<bool>(), 0_u64..3000, 0_u64..2000), 0..200),
        ) {
            let (mut pace, mut now) = (Pace::new(ceiling, None), start());
            for (patience, took, later) in answers {
                now += Duration::from_millis(later);
                if patience {
                    pace.overloaded(now);
                } else {
                    pace.answered(Duration::from_millis(took), now);
                }
                prop_assert!(admits(&pace, 0, now));
                prop_assert!(!admits(&pace, ceiling, now));
            }
        }
    }
}
