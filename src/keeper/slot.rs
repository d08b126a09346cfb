//! The latest word on one registry: what lives, what failed, what comes next. Written by its keeper alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll, StreamExt, select_all, unfold};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::credential::{Credential, TokenHandle};
use crate::provider::Reason;
use crate::registry::RegistryName;

/// What a keeper publishes. Receivers see the latest value, never a queue of them.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// The credential to distribute. A failed renewal leaves it as it is.
    pub current: Option<Arc<Minted>>,
    /// What has gone wrong since the last success.
    pub failure: Option<Failure>,
    /// When the keeper will ask again.
    pub next_attempt: Option<Timestamp>,
    /// Replaced tokens that still have to be deleted at their issuer.
    pub retired: Vec<Retired>,
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
