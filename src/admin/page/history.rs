//! The last 24 hours of renewals: a row of half hours, whole blocks for success, broken ones for failure.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::words::{count, moment};
use crate::keeper::slot::ATTEMPTS_KEPT;
use crate::status::AttemptStatus;

/// Half hours in a day.
const SLOTS: usize = 48;

const SLOT: SignedDuration = SignedDuration::from_mins(30);

/// What happened in one half hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    renewed: usize,
    failed: usize,
}

/// The row, with its sum in words.
pub(super) fn row(attempts: &[AttemptStatus], now: Timestamp) -> Markup {
    let slots = slots(attempts, now);
    let renewed: usize = slots.iter().map(|slot| slot.renewed).sum();
    let failed: usize = slots.iter().map(|slot| slot.failed).sum();
    let words = match (renewed, failed) {
        (0, 0) => "no attempt".to_owned(),
        (_, 0) => count(renewed, "renewal"),
        _ => format!("{}, {}", count(renewed, "renewal"), count(failed, "failed attempt")),
    };
    let words = if attempts.len() < ATTEMPTS_KEPT { words } else { format!("at least {words}") };
    html! {
        figure.history {
            figcaption {
                "Last 24 hours: " (words)
                @if let Some(last) = attempts.iter().rev().find(|attempt| attempt.reason.is_none()) {
                    span.aside { "last renewed " (moment(now, last.at)) }
                }
            }
            svg viewBox="0 0 480 24" preserveAspectRatio="none" role="img" aria-label={ "Last 24 hours: " (words) } {
                @for (number, slot) in slots.iter().enumerate() {
                    (block(number * 10, *slot))
                }
            }
            p.axis aria-hidden="true" { span { "24 h ago" } span { "now" } }
        }
    }
}

fn block(x: usize, slot: Slot) -> Markup {
    html! {
        @match slot {
            Slot { renewed: 0, failed: 0 } => rect.idle x=(x) y="19" width="8" height="5" {},
            Slot { failed: 0, .. } => rect.renewed x=(x) y="0" width="8" height="24" {},
            Slot { renewed: 0, .. } => {
                rect.failed x=(x) y="0" width="8" height="9" {}
                rect.failed x=(x) y="15" width="8" height="9" {}
            }
            Slot { .. } => {
                rect.failed x=(x) y="0" width="8" height="9" {}
                rect.renewed x=(x) y="12" width="8" height="12" {}
            }
        }
    }
}

/// The half hours up to now, the oldest first.
fn slots(attempts: &[AttemptStatus], now: Timestamp) -> [Slot; SLOTS] {
    let mut slots = [Slot::default(); SLOTS];
    for attempt in attempts {
        let age = now.duration_since(attempt.at).as_secs().max(0) / SLOT.as_secs();
        let Some(place) = usize::try_from(age).ok().and_then(|age| (SLOTS - 1).checked_sub(age)) else { continue };
        match attempt.reason {
            None => slots[place].renewed += 1,
            Some(_) => slots[place].failed += 1,
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Reason;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn attempts_stand_in_their_half_hours_and_older_ones_are_left_out() {
        let ago = |minutes, reason| AttemptStatus { at: NOON - SignedDuration::from_mins(minutes), reason };
        let slots = slots(
            &[ago(24 * 60, None), ago(24 * 60 - 1, None), ago(31, Some(Reason::Denied)), ago(29, None), ago(-5, None)],
            NOON,
        );
        assert_eq!(slots[0], Slot { renewed: 1, failed: 0 });
        assert_eq!(slots[SLOTS - 2], Slot { renewed: 0, failed: 1 });
        assert_eq!(slots[SLOTS - 1], Slot { renewed: 2, failed: 0 }, "what is to come counts as now");
        assert_eq!(slots.iter().map(|slot| slot.renewed + slot.failed).sum::<usize>(), 4);
    }
}
