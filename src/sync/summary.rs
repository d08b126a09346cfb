//! How far the syncer has come, for whoever wants to know. Written by the syncer alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::status::{CopyState, NamespaceStatus, SecretStatus, ServiceAccountStatus};

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// `Secret` or `ServiceAccount`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How one wanted object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    InSync,
    /// Not yet written: a credential is missing, or a living entry would be lost.
    Waiting(String),
    /// Somebody else's, and left to them.
    Refused(String),
    /// The last write failed; it is tried again.
    Failing(String),
    /// No configuration names it any more, and it may not be removed.
    LeftOver(String),
}

/// All of it, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whether every watch has listed its objects, or is refused.
    pub listed: bool,
    /// When that was so for the first time.
    pub first_listed_at: Option<Timestamp>,
    /// Whether every watch has listed its objects, or is refused, and every key has been looked at.
    pub settled: bool,
    /// Why nothing can be looked at: the API server refuses to list the namespaces.
    pub blocked: Option<String>,
    /// When every key had been looked at for the first time.
    pub first_pass_at: Option<Timestamp>,
    /// Keys still to be looked at.
    pub queued: usize,
    /// Objects as they should be.
    pub in_sync: usize,
    /// Objects that wait for a credential.
    pub waiting: usize,
    /// Objects that belong to somebody else, or cannot be changed.
    pub refused: usize,
    /// Objects whose last write failed.
    pub failing: usize,
    /// Objects that should be gone, and may not be removed.
    pub left_over: usize,
    /// Writes since the start that changed something.
    pub writes: u64,
    /// The objects that are not as they should be, and why; [`PROBLEMS_SHOWN`] at most.
    pub problems: BTreeMap<ObjectName, String>,
    /// Where everything stands, made anew now and then.
    pub board: Arc<Board>,
}

/// Where everything stands, as far as a person wants to see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// One per Secret name, in their order.
    pub secrets: Vec<SecretStatus>,
    /// One per ServiceAccount name, in their order.
    pub service_accounts: Vec<ServiceAccountStatus>,
    /// The namespaces that have any of them, those with problems first; [`NAMESPACES_SHOWN`](crate::status::NAMESPACES_SHOWN) at most.
    pub namespaces: Vec<NamespaceStatus>,
    /// How many namespaces have any of them, shown or not.
    pub namespaces_total: usize,
    /// How many of them have a problem, shown or not.
    pub namespaces_troubled: usize,
}

/// A cluster that is wholly broken must not fill a status with ten thousand like sentences.
pub const PROBLEMS_SHOWN: usize = 100;

impl Summary {
    /// One object stands otherwise than before.
    pub(super) fn replace(&mut self, name: impl Fn() -> ObjectName, before: Option<&State>, after: Option<&State>) {
        if let Some(before) = before {
            *self.counter(before) -= 1;
            if before.problem().is_some() {
                self.problems.remove(&name());
            }
        }
        if let Some(after) = after {
            *self.counter(after) += 1;
            if let Some(problem) = after.problem()
                && self.problems.len() < PROBLEMS_SHOWN
            {
                self.problems.insert(name(), problem.to_owned());
            }
        }
    }

    /// How objects stand is for another process to say.
    pub(super) fn forget(&mut self) {
        for counter in [&mut self.in_sync, &mut self.waiting, &mut self.refused, &mut self.failing, &mut self.left_over]
        {
            *counter = 0;
        }
        self.problems.clear();
        self.board = Arc::default();
    }

    fn counter(&mut self, state: &State) -> &mut usize {
        match state {
            State::Failing(_) => &mut self.failing,
            State::LeftOver(_) => &mut self.left_over,
            State::InSync => &mut self.in_sync,
            State::Refused(_) => &mut self.refused,
            State::Waiting(_) => &mut self.waiting,
        }
    }
}

impl State {
    /// Why it is not as it should be, and what to do.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::InSync => None,
            Self::Failing(why) | Self::LeftOver(why) | Self::Refused(why) | Self::Waiting(why) => Some(why),
        }
    }

    /// The state without the words.
    pub(super) const fn kind(&self) -> CopyState {
        match self {
            Self::InSync => CopyState::InSync,
            Self::Waiting(_) => CopyState::Waiting,
            Self::Refused(_) => CopyState::Refused,
            Self::Failing(_) => CopyState::Failing,
            Self::LeftOver(_) => CopyState::LeftOver,
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
