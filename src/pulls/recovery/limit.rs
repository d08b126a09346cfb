//! How many pods a minute: pure, with the time as an input.

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The deletions of the last minute.
///
/// A bucket that fills up by and by would let nearly twice as many through in some minute; this lets no minute have
/// more. The times are [`Clock::uptime`](crate::clock::Clock::uptime)'s, which nobody can set.
#[derive(Debug, Default)]
pub struct Limit {
    taken: VecDeque<Duration>,
}

impl Limit {
    /// When the next one may be, at the earliest: now, or once fewer than so many lie in the minute before.
    #[must_use]
    pub fn earliest(&self, per_minute: usize, now: Duration) -> Duration {
        let in_the_way = self.taken.len().checked_sub(per_minute).and_then(|at| self.taken.get(at));
        in_the_way.map_or(now, |taken| (*taken + MINUTE).max(now))
    }

    /// There is one now.
    pub fn take(&mut self, now: Duration) {
        while self.taken.front().is_some_and(|taken| *taken + MINUTE <= now) {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn so_many_may_be_at_once_and_the_next_a_minute_after_the_first() {
        let mut limit = Limit::default();
        let at = Duration::from_secs;
        for second in 0..10 {
            assert_eq!(limit.earliest(10, at(second)), at(second));
            limit.take(at(second));
        }
        assert_eq!(limit.earliest(10, at(10)), at(60));
        assert_eq!(limit.earliest(10, at(61)), at(61));
        assert_eq!(limit.earliest(5, at(10)), at(65), "a lower limit holds for those before it, too");
        assert_eq!(limit.earliest(20, at(10)), at(10));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_and_what_is_remembered_is_bounded(
            per_minute in 1_usize..20, pauses in prop::collection::vec(0_u64..30_000, 1..200),
        ) {
            let (mut limit, mut now, mut taken) = (Limit::default(), Duration::ZERO, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if limit.earliest(per_minute, now) == now {
                    limit.take(now);
                    taken.push(now);
                }
                prop_assert!(limit.taken.len() <= per_minute);
            }
            for (first, over) in taken.iter().zip(taken.iter().skip(per_minute)) {
                prop_assert!(*over - *first >= MINUTE);
            }
        }
    }
}
