//! Whether this process leads, asked at the very moment at which it matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// The right to write, which ends by itself unless the elector renews it. Clones are the same.
///
/// A process that was frozen for longer than the lease wakes up amid its work, before any task of it could tell the
/// others; but this is over by then, since it goes by the time.
#[derive(Clone, Debug)]
pub struct Mandate {
    until_millis: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Mandate {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { until_millis: Arc::default(), clock }
    }

    /// Whether this process leads at this instant.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.clock.uptime() < Duration::from_millis(self.until_millis.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, until: Option<Duration>) {
        let millis = until.map_or(0, |until| u64::try_from(until.as_millis()).unwrap_or(u64::MAX));
        self.until_millis.store(millis, Ordering::Relaxed);
    }
}
