//! How long a watch waits before it tries again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// While there is no API server: it may be back any moment.
const LONGEST: Duration = Duration::from_secs(10);

/// What went well for so long before it failed is tried again soon.
const WELL: Duration = Duration::from_secs(30);

/// A back-off that time alone resets. The library would do it with each event, even with the announcement of a list that
/// has not been asked for yet, and with the first page of one that always fails at the second.
#[derive(Debug)]
pub(super) struct Patience {
    longest: Duration,
    failures: u32,
    /// When the present attempt began.
    tried_at: Option<Instant>,
}

impl Patience {
    /// One whose pauses are far from a silence of that length.
    pub(super) fn below(silence: Duration) -> Self {
        Self { longest: LONGEST.min(silence / 4), failures: 0, tried_at: None }
    }
}

impl Iterator for Patience {
    type Item = Duration;

    /// One second, doubled with each failure up to the longest, and somewhere between half and all of that.
    fn next(&mut self) -> Option<Duration> {
        let now = now();
        if self.tried_at.is_some_and(|tried_at| now.saturating_duration_since(tried_at) >= WELL) {
            self.failures = 0;
        }
        let whole =
            Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(self.longest);
        let pause = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.failures = self.failures.saturating_add(1);
        self.tried_at = Some(now + pause);
        Some(pause)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {}
}

#[allow(clippy::disallowed_methods, reason = "measures waiting, decides nothing")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// The next pause, after an attempt that took so long.
    async fn pause_after(patience: &mut Patience, attempt: Duration) -> Duration {
        advance(attempt).await;
        patience.reset();
        let pause = patience.next().expect("it never gives up");
        advance(pause).await;
        pause
    }

    #[tokio::test(start_paused = true)]
    async fn failures_at_once_are_met_with_longer_and_longer_pauses_up_to_the_longest() {
        let mut patience = Patience::below(Duration::from_secs(180));
        for whole in [1, 2, 4, 8, 10, 10] {
            let pause = pause_after(&mut patience, Duration::from_millis(3)).await.as_secs_f64();
            assert!((0.5..=1.0).contains(&(pause / f64::from(whole))), "{pause} s of {whole} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_went_well_for_a_while_is_tried_again_soon() {
        let mut patience = Patience::below(Duration::from_secs(180));
        for _ in 0..6 {
            pause_after(&mut patience, Duration::ZERO).await;
        }
        assert!(pause_after(&mut patience, WELL).await <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_is_taken_for_deafness() {
        let mut patience = Patience::below(Duration::from_secs(6));
        for _ in 0..6 {
            assert!(pause_after(&mut patience, Duration::ZERO).await <= Duration::from_millis(1_500));
        }
    }
}
