//! The machine's clock, which a test can put forward.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use pullmint::clock::{Clock, SystemClock};

/// By how many seconds it is ahead.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicU64);

impl Ahead {
    /// Puts it forward.
    pub(crate) fn by(&self, further: Duration) {
        self.0.fetch_add(further.as_secs(), Relaxed);
    }

    fn ahead(&self) -> Duration {
        Duration::from_secs(self.0.load(Relaxed))
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.ahead()
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime() + self.ahead()
    }
}
