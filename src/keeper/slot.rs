//! The latest word on one registry: what lives, what failed, what comes next. Written by its keeper alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, StreamExt, select_all, unfold};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::credential::{Credential, TokenHandle};
use crate::provider::{PullLimit, Reason};
use crate::registry::RegistryName;

/// What a keeper publishes. Receivers see the latest value, never a queue of them.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// The credential to distribute. A failed renewal leaves it as it is.
    pub current: Option<Arc<Minted>>,
    /// Whether `current` came of settings that are not in force any more: it serves until there is another one, which is
    /// asked for at once.
    pub superseded: bool,
    /// What has gone wrong since the last success.
    pub failure: Option<Failure>,
    /// When the keeper will ask again.
    pub next_attempt: Option<Timestamp>,
    /// Replaced tokens that still have to be deleted at their issuer.
    pub retired: Vec<Retired>,
    /// The attempts of the last 24 hours, the oldest first; [`ATTEMPTS_KEPT`] at most.
    pub attempts: VecDeque<Attempt>,
    /// How many pulls the registry allows, and when it said so.
    pub pull_limit: Option<(PullLimit, Timestamp)>,
}

/// One attempt to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed, if it did.
    pub failed: Option<Reason>,
}

/// A day of attempts, one every five minutes: no healthy registry has more.
pub const ATTEMPTS_KEPT: usize = 288;

const ATTEMPTS_SPAN: Duration = Duration::from_secs(24 * 3600);

impl Slot {
    /// The attempts of the 24 hours before, the oldest first.
    pub fn attempts_of_day(&self, now: Timestamp) -> impl Iterator<Item = &Attempt> {
        let day_ago = day_before(now);
        self.attempts.iter().filter(move |attempt| attempt.at >= day_ago)
    }

    /// Other settings are in force from now on. What has gone wrong under the old ones says nothing of them.
    pub fn supersede(&mut self) {
        (self.superseded, self.failure, self.next_attempt) = (true, None, None);
    }

    /// Notes an attempt, and forgets those of more than a day ago.
    pub fn note(&mut self, attempt: Attempt) {
        let day_ago = day_before(attempt.at);
        while self.attempts.front().is_some_and(|first| first.at < day_ago || self.attempts.len() >= ATTEMPTS_KEPT) {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }
}

fn day_before(now: Timestamp) -> Timestamp {
    now.saturating_sub(ATTEMPTS_SPAN).unwrap_or(Timestamp::MIN)
}

/// A credential and how it came here.
#[derive(Clone, Debug)]
pub struct Minted {
    /// What the provider gave.
    pub credential: Credential,
    /// When it was asked for. A later one is newer: this order decides which credential may replace which.
    pub minted_at: Timestamp,
    /// What the registry said of it before it was published.
    pub verification: Verification,
    /// When it said so, to this process.
    pub verified_at: Option<Timestamp>,
}

/// What the registry said of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It opens the registry.
    Accepted,
    /// The registry gave no verdict; published all the same, since nothing speaks against it.
    Doubtful(String),
    /// The registry refused it; published only because there was nothing better. The slot's failure tells why.
    Refused,
    /// The configuration asks for no verification.
    Skipped,
}

impl Verification {
    /// The stable name, for logs, metrics and the status.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Doubtful(_) => "doubtful",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}

/// The attempts that have failed since the last success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The latest one's kind.
    pub reason: Reason,
    /// The latest one in words: the attempt and its causes.
    pub message: String,
    /// What a person can do.
    pub remedy: String,
    /// How many there have been in a row.
    pub consecutive: u32,
    /// When the first of them happened.
    pub since: Timestamp,
}

/// The registries that there are now, and the word of each one's keeper.
pub type Roster = Vec<(RegistryName, watch::Receiver<Slot>)>;

/// One item for each time that one of these slots was published anew.
pub fn publications(slots: impl Iterator<Item = watch::Receiver<Slot>>) -> SelectAll<BoxStream<'static, ()>> {
    let each = slots.map(|slot| unfold(slot, async |mut slot| slot.changed().await.ok().map(|()| ((), slot))).boxed());
    select_all(each)
}

/// A replaced token that its issuer still honours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// What the issuer calls it.
    pub handle: TokenHandle,
    /// When its successor was minted: it goes only after every Secret holds that one or a later one.
    pub replaced_at: Timestamp,
    /// When every Secret was first known to hold the successor.
    pub covered_at: Option<Timestamp>,
}

/// For each registry the mint time of the oldest of its credentials that any Secret may still hold.
/// Written by the syncer alone; a registry is absent while that is not known.
pub type Coverage = BTreeMap<RegistryName, Timestamp>;
