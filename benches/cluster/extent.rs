//! How much is measured.

use std::time::Duration;

/// What the environment asks for.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    percent: usize,
    rounds: Option<usize>,
}

impl Extent {
    pub(crate) fn from_env() -> Self {
        Self { percent: number("BENCH_PERCENT").unwrap_or(100).clamp(1, 100), rounds: number("BENCH_ROUNDS") }
    }

    /// Whether the figures are those of the README.
    pub(crate) fn is_whole(self) -> bool {
        self.percent == 100
    }

    /// This share of so many.
    pub(crate) fn of(self, count: usize) -> usize {
        (count * self.percent / 100).max(1)
    }

    /// How often a thing is measured that may be measured so often at most.
    pub(crate) fn rounds(self, most: usize) -> usize {
        self.rounds.unwrap_or(most).clamp(1, most)
    }

    /// How long a resting process is looked at.
    pub(crate) fn rest(self) -> Duration {
        Duration::from_secs(30) * self.percent as u32 / 100
    }
}

/// A schedule that gives pullmint and the bare loop the time to write as many, one after the other.
pub(crate) fn schedule(namespaces: usize) -> &'static str {
    match namespaces {
        ..=100 => "*/2 * * * * *",
        101..=200 => "*/6 * * * * *",
        201..=1_000 => "*/8 * * * * *",
        _ => "0 * * * * *",
    }
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
