//! When the kubelet tries again: ten seconds, doubling to five minutes, and no Secret that is repaired shortens it.

use std::time::Duration;

use jiff::Timestamp;

use crate::why::case::Attempts;

const FIRST: u64 = 10;
/// The longest wait between two attempts.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The wait after so many failed attempts.
#[must_use]
pub fn wait(attempts: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX));
    Duration::from_secs(doubled).min(LONGEST)
}

/// How long until the kubelet may try again; zero when that is due already.
#[must_use]
pub fn left(attempts: Attempts, now: Timestamp) -> Duration {
    let next = attempts.last.saturating_add(wait(attempts.count)).unwrap_or(Timestamp::MAX);
    Duration::try_from(next.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_ten_seconds_to_five_minutes() {
        let waits = [0, 1, 2, 3, 5, 6, 7, 60, u32::MAX].map(|attempts| wait(attempts).as_secs());
        assert_eq!(waits, [10, 10, 20, 40, 160, 300, 300, 300, 300]);
    }

    #[test]
    fn what_is_due_is_zero() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let attempts = Attempts { count: 2, last: at(100) };
        assert_eq!(left(attempts, at(110)).as_secs(), 10);
        assert_eq!(left(attempts, at(500)).as_secs(), 0);
    }
}
