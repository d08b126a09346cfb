//! When to ask for a credential next: pure arithmetic on instants.
//!
//! Its laws, which the tests hold:
//!
//! 1. A credential is renewed at the configured part of its life; jitter only makes that earlier.
//! 2. Never later than five minutes before expiry, or at half of a life shorter than ten minutes: the kubelet's
//!    image back-off grows to five minutes, and a pod must not meet a dead credential at the end of one.
//! 3. Never sooner than the floor after the previous attempt.
//! 4. Failures are retried ever more densely as expiry comes near, ever more sparsely otherwise.
//! 5. What the cloud asked for with `Retry-After` is granted, up to an hour.
//! 6. A cause that lasts until a person acts is retried slowly.

use std::time::Duration;

use jiff::Timestamp;

use crate::credential::Expiry;

/// What the next attempt depends on.
#[derive(Clone, Debug)]
pub struct History {
    /// The life of the credential in force.
    pub life: Option<Life>,
    /// The part of the life after which it is renewed: 0 < at < 1.
    pub renew_at: f64,
    /// Whether asking costs nothing and may bring something new at any time, as with a file that others write.
    pub polled: bool,
    /// When the latest attempt ended.
    pub last_attempt: Option<Timestamp>,
    /// The failures since the last success.
    pub failures: Option<Failures>,
}

/// From mint to expiry.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When it was minted.
    pub minted_at: Timestamp,
    /// When it dies.
    pub expiry: Expiry,
}

/// The failures since the last success.
#[derive(Clone, Copy, Debug)]
pub struct Failures {
    /// How many in a row, at least one.
    pub consecutive: u32,
    /// Whether a person has to act first.
    pub lasting: bool,
    /// What the cloud asked for.
    pub retry_after: Option<Duration>,
}

/// The earliest instant at which to ask again.
///
/// `jitter` is in `0.0..1.0`. Without any history the answer is `now`.
#[must_use]
pub fn next(history: &History, now: Timestamp, jitter: f64) -> Timestamp {
    let Some(last) = history.last_attempt.or_else(|| history.life.map(|life| life.minted_at)) else {
        return now;
    };
    let due = match history.failures {
        Some(failures) => after(last, retry_delay(failures, remaining(history, last), jitter)),
        None => renewal(history, last, jitter),
    };
    due.max(after(last, FLOOR)).max(now)
}

fn renewal(history: &History, last: Timestamp, jitter: f64) -> Timestamp {
    let due = match history.life {
        None => last,
        Some(Life { expiry: Expiry::Never, .. }) => after(last, RECHECK),
        Some(Life { minted_at, expiry: Expiry::At(expiry) }) => {
            let life = between(minted_at, expiry);
            let wished = life.mul_f64(history.renew_at.clamp(0.0, 1.0));
            let latest = life.saturating_sub(MARGIN.min(life / 2));
            let target = wished.min(latest);
            after(minted_at, target.mul_f64(1.0 - JITTER_SHARE * jitter.clamp(0.0, 1.0)))
        }
    };
    if history.polled { due.min(after(last, POLL)) } else { due }
}

/// Decorrelated in effect: each delay is drawn from the whole range between the shortest one and three times the
/// previous ceiling, so that many daemons that failed together do not come back together.
fn retry_delay(failures: Failures, remaining: Option<Duration>, jitter: f64) -> Duration {
    let (shortest, ceiling) = if failures.lasting { LASTING } else { PASSING };
    let growth = 3_u32.saturating_pow(failures.consecutive.min(12));
    let towards_expiry = remaining.map_or(ceiling, |left| left / 8);
    let ceiling = shortest.saturating_mul(growth).min(ceiling).min(towards_expiry).max(shortest);
    let drawn = shortest + (ceiling - shortest).mul_f64(jitter.clamp(0.0, 1.0));
    drawn.max(failures.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// What is left of a life that has not ended.
fn remaining(history: &History, now: Timestamp) -> Option<Duration> {
    let expiry = history.life?.expiry.instant()?;
    (expiry > now).then(|| between(now, expiry))
}

/// The kubelet's longest image back-off (kubernetes `pkg/kubelet/kubelet.go`, `MaxImageBackOff`).
pub const MARGIN: Duration = Duration::from_secs(300);

/// After a scheduled tick: whoever brings the ticks has missed this one then, as after a clock was set back.
pub const MISSED: Duration = Duration::from_secs(30);

/// Between two attempts, whatever the cloud says of expiry: a token that is dead when minted makes no hot loop.
pub const FLOOR: Duration = Duration::from_secs(1);

/// How often a file that others write is read again.
pub const POLL: Duration = Duration::from_secs(10);

/// How often a credential without expiry is verified anew.
pub const RECHECK: Duration = Duration::from_secs(3600);

/// Jitter takes at most this share of the time until renewal away.
const JITTER_SHARE: f64 = 0.1;

/// Shortest and longest delay where the cause passes by itself.
const PASSING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Shortest and longest delay where a person has to act first.
const LASTING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(900));

/// A longer wish, or a nonsensical one, must not keep a registry without renewal.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

fn after(start: Timestamp, delay: Duration) -> Timestamp {
    start.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

/// Zero when `end` is not after `start`.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn at(seconds: u64) -> Timestamp {
        after(NOON, Duration::from_secs(seconds))
    }

    fn minted(life_seconds: u64, renew_at: f64) -> History {
        History {
            life: Some(Life { minted_at: NOON, expiry: Expiry::At(at(life_seconds)) }),
            renew_at,
            polled: false,
            last_attempt: Some(NOON),
            failures: None,
        }
    }

    fn failed(consecutive: u32, lasting: bool) -> Option<Failures> {
        Some(Failures { consecutive, lasting, retry_after: None })
    }

    proptest! {
        #[test]
        fn renewal_comes_at_the_configured_part_and_jitter_only_makes_it_earlier(
            life in 1200_u64..100_000, renew_at in 0.1..0.9, jitter in 0.0..1.0,
        ) {
            let history = minted(life, renew_at);
            let plain = next(&history, NOON, 0.0);
            let jittered = next(&history, NOON, jitter);
            prop_assert!(jittered <= plain);
            let wished = Duration::from_secs(life).mul_f64(renew_at);
            prop_assert!(between(NOON, plain) <= wished);
            prop_assert!(between(NOON, jittered) >= between(NOON, plain).mul_f64(1.0 - JITTER_SHARE - 0.001));
        }

        #[test]
        fn renewal_leaves_the_kubelets_back_off_before_expiry(life in 600_u64..200_000, renew_at in 0.0..1.0, jitter in 0.0..1.0) {
            let due = next(&minted(life, renew_at), NOON, jitter);
            prop_assert!(due <= at(life - 300));
        }

        #[test]
        fn a_short_life_is_renewed_by_its_half(life in 4_u64..600, renew_at in 0.5..1.0, jitter in 0.0..1.0) {
            prop_assert!(between(NOON, next(&minted(life, renew_at), NOON, jitter)) <= Duration::from_secs(life) / 2);
        }

        #[test]
        fn no_history_leads_to_a_hot_loop(
            life in prop::option::of(0_u64..100_000), consecutive in 0_u32..u32::MAX, lasting: bool, polled: bool,
            renew_at in 0.0..1.0, jitter in 0.0..1.0, last in 0_u64..200_000,
        ) {
            let history = History {
                life: life.map(|life| Life { minted_at: NOON, expiry: Expiry::At(at(life)) }),
                renew_at,
                polled,
                last_attempt: Some(at(last)),
                failures: (consecutive > 0).then_some(Failures { consecutive, lasting, retry_after: None }),
            };
            prop_assert!(next(&history, at(last), jitter) >= at(last + 1));
        }

        #[test]
        fn retries_come_at_least_eight_times_in_what_is_left(
            left in 100_u64..100_000, consecutive in 1_u32..50, jitter in 0.0..1.0,
        ) {
            let mut history = minted(100_000, 0.5);
            history.last_attempt = Some(at(100_000 - left));
            history.failures = failed(consecutive, false);
            let due = next(&history, at(100_000 - left), jitter);
            prop_assert!(between(at(100_000 - left), due) <= Duration::from_secs(left) / 8 + PASSING.0);
        }

        #[test]
        fn a_lasting_cause_is_never_retried_in_haste(consecutive in 1_u32..50, jitter in 0.0..1.0, life in 0_u64..100_000) {
            let mut history = minted(life, 0.5);
            history.failures = failed(consecutive, true);
            prop_assert!(next(&history, NOON, jitter) >= at(20));
        }

        #[test]
        fn retry_after_is_granted_up_to_an_hour(asked in 0_u64..100_000, consecutive in 1_u32..50, jitter in 0.0..1.0) {
            let mut history = minted(50_000, 0.5);
            let retry_after = Some(Duration::from_secs(asked));
            history.failures = Some(Failures { consecutive, lasting: false, retry_after });
            prop_assert!(next(&history, NOON, jitter) >= at(asked.min(3600)));
        }
    }

    #[test]
    fn a_first_attempt_is_due_at_once() {
        let history = History { life: None, renew_at: 0.5, polled: false, last_attempt: None, failures: None };
        assert_eq!(next(&history, at(7), 0.3), at(7));
    }

    #[test]
    fn a_restored_credential_past_its_renewal_is_renewed_at_once() {
        let mut history = minted(43_200, 0.5);
        history.last_attempt = None;
        assert_eq!(next(&history, at(30_000), 0.3), at(30_000));
    }

    #[test]
    fn a_file_that_others_write_is_read_often_however_long_its_token_lives() {
        let mut history = minted(43_200, 0.5);
        history.polled = true;
        assert_eq!(next(&history, NOON, 0.0), after(NOON, POLL));
    }

    #[test]
    fn a_day_of_twelve_hour_tokens_takes_four_mints_and_a_day_of_failures_takes_no_more_than_necessary() {
        let mut mints = 0;
        let mut history = minted(43_200, 0.5);
        let mut now = NOON;
        while now < at(86_400) {
            now = next(&history, now, 0.5);
            history.life = Some(Life { minted_at: now, expiry: Expiry::At(after(now, Duration::from_secs(43_200))) });
            history.last_attempt = Some(now);
            mints += 1;
        }
        assert_eq!(mints, 5, "one each 5 h 42 min");

        let mut attempts = 0;
        let mut history = minted(43_200, 0.5);
        let mut now = NOON;
        while now < at(43_200) {
            now = next(&history, now, 0.5);
            attempts += 1;
            history.last_attempt = Some(now);
            history.failures = failed(attempts, false);
        }
        assert!((60..400).contains(&attempts), "{attempts} attempts in six hours of failure");
    }
}
