//! Why a cloud gave no credential, in the terms of what the caller should do about it.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::causes;

/// A boxed error with everything below it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A mint, a verification or a revocation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub struct MintError {
    /// What to do about it, in one word.
    pub reason: Reason,
    /// What was attempted, and on what: "ask ECR in eu-west-1 for an authorization token".
    pub attempt: Cow<'static, str>,
    /// What a person can do: one sentence, with the exact permission, setting or error number.
    pub remedy: Cow<'static, str>,
    /// How long the other side asked us to stay away.
    pub retry_after: Option<Duration>,
    /// What went wrong below. Never carries a response body or a secret.
    #[source]
    pub source: Option<BoxError>,
}

impl MintError {
    /// A failure without a cause below it.
    #[must_use]
    pub fn new(reason: Reason, attempt: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, attempt: attempt.into(), remedy: remedy.into(), retry_after: None, source: None }
    }

    /// The same, with what went wrong below. The caller vouches that its text holds no secret.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, with how long to stay away.
    #[must_use]
    pub fn after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The attempt and every cause below it, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        causes::joined(self, ": ")
    }
}

/// The five kinds of failure. One spelling serves the metric label, the event and the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The cloud knows who asks and says no. Lasts until a person grants something.
    Denied,
    /// The question itself is wrong: no identity, unknown tenant, missing file. Lasts until a person mends it.
    Misconfigured,
    /// Asked too often. Passes by itself.
    Throttled,
    /// An answer that makes no sense: a 5xx, a body that does not parse, a token already expired.
    Unexpected,
    /// No answer: DNS, connection, TLS, time-out.
    Unreachable,
}

impl Reason {
    /// All of them, for labels that exist from the start.
    pub const ALL: [Self; 5] =
        [Self::Denied, Self::Misconfigured, Self::Throttled, Self::Unexpected, Self::Unreachable];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Throttled => "throttled",
            Self::Unexpected => "unexpected",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether trying again soon is pointless, since a person has to act first.
    #[must_use]
    pub const fn lasts(self) -> bool {
        matches!(self, Self::Denied | Self::Misconfigured)
    }
}
