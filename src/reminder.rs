//! When to say again what lasts: pure, with the time as an input.
//!
//! The API server forgets an Event an hour after it was last written, by its default. Who tells of something that may last
//! longer says it again before that.

use std::time::Duration;

use jiff::Timestamp;

/// Between two times. An Event that was written shortly before is not written again, so the next time has to be soon enough
/// for it, too.
pub const EVERY: Duration = Duration::from_secs(2700);

/// Comes due again and again.
#[derive(Debug)]
pub struct Reminder {
    next: Timestamp,
}

impl Reminder {
    /// Due for the first time after [`EVERY`].
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { next: now + EVERY }
    }

    /// Whether it is due, which it then is not again for [`EVERY`].
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        // After a clock was set back it comes as soon as from that time on.
        self.next = self.next.min(now + EVERY);
        let is_due = now >= self.next;
        if is_due {
            self.next = now + EVERY;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn it_is_due_once_in_three_quarters_of_an_hour() {
        let mut reminder = Reminder::new(NOON);
        let due = (0..10_000).filter(|second| reminder.is_due(NOON + Duration::from_secs(*second)));
        assert_eq!(due.collect::<Vec<_>>(), [2700, 5400, 8100]);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_it_by_no_more_than_its_usual_time() {
        let mut reminder = Reminder::new(NOON);
        let earlier = NOON - Duration::from_secs(6 * 3600);
        assert!(!reminder.is_due(earlier));
        assert!(reminder.is_due(earlier + EVERY));
    }
}
