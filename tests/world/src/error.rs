//! One error for everything that can go wrong while a world starts: what failed, on what, and what the log said last.

use std::{error::Error, fmt, fs, path::Path};

/// Why a part of the world could not be started or used.
///
/// Its `Debug` is the same readable text as its `Display`, because tests end with `unwrap`.
pub struct WorldError {
    what: String,
    log_tail: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Shorthand for results of this crate.
pub type Result<T, E = WorldError> = std::result::Result<T, E>;

impl WorldError {
    /// An error which says only what failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), log_tail: None, source: None }
    }

    /// Adds the last lines of the log of the process that failed.
    pub fn with_log(mut self, log: &Path) -> Self {
        self.log_tail = Some(format!("last lines of {}:\n{}", log.display(), tail(log, 15)));
        self
    }
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        self.log_tail.as_ref().map_or(Ok(()), |tail| write!(f, "\n{tail}"))
    }
}

// Its causes are in its text already, so it names no `source` that would be printed again.
impl Error for WorldError {}

impl fmt::Debug for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says what was being done when an error came up.
pub trait Context<T> {
    /// Wraps the error; `what` names the thing that failed.
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| WorldError { source: Some(error.into()), ..WorldError::new(what()) })
    }
}

fn tail(log: &Path, lines: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
