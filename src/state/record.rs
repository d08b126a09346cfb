//! One registry's part of the state, as JSON under the registry's name.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::settings::Registry;
use crate::credential::{Credential, Expiry, TokenHandle};
use crate::keeper::slot::{Attempt, Minted, Retired, Slot, Verification};
use crate::provider::Reason;

/// A credential with what is needed to go on with it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Of what settings the credential came; under others it is not taken over.
    settings: String,
    username: String,
    password: String,
    minted_at: Timestamp,
    expiry: Expiry,
    handle: Option<TokenHandle>,
    verified: bool,
    retired: Vec<(TokenHandle, Timestamp)>,
    /// The attempts of the day until the credential was minted or the process ended, in seconds since the epoch.
    #[serde(default)]
    attempts: Vec<(i64, Option<Reason>)>,
}

/// Without the password.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("minted_at", &self.minted_at).finish_non_exhaustive()
    }
}

impl Record {
    /// What is worth keeping of a slot; nothing while it has no credential of these settings.
    pub(super) fn of(registry: &Registry, slot: &Slot) -> Option<Self> {
        if slot.superseded {
            return None;
        }
        let Minted { credential, minted_at, verification, verified_at: _ } = slot.current.as_deref()?;
        Some(Self {
            settings: fingerprint(registry),
            username: credential.username.clone(),
            password: credential.password.expose_secret().to_owned(),
            minted_at: *minted_at,
            expiry: credential.expiry,
            handle: credential.handle.clone(),
            verified: *verification == Verification::Accepted,
            retired: slot.retired.iter().map(|retired| (retired.handle.clone(), retired.replaced_at)).collect(),
            attempts: slot.attempts.iter().map(|attempt| (attempt.at.as_second(), attempt.failed)).collect(),
        })
    }

    /// Whether another one of the same settings was minted before this one.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        self.settings == other.settings && self.minted_at > other.minted_at
    }

    /// Why the credential does not serve any more, if it does not.
    pub(super) fn lapse(&self, registry: &Registry, now: Timestamp) -> Option<Lapse> {
        if self.settings != fingerprint(registry) {
            return Some(Lapse::OtherSettings);
        }
        self.expiry.instant().filter(|at| *at <= now).map(Lapse::Expired)
    }

    /// A credential that has lapsed is not taken over; tokens to delete always are, its own among them.
    pub(super) fn into_slot(self, registry: &Registry, now: Timestamp) -> Slot {
        let lapsed = self.lapse(registry, now).is_some();
        let retired = |(handle, replaced_at)| Retired { handle, replaced_at, covered_at: None };
        let unused = self.handle.clone().filter(|_| lapsed).map(|handle| (handle, now));
        let retired = self.retired.into_iter().chain(unused).map(retired).collect();
        let verification = if self.verified {
            Verification::Accepted
        } else if registry.verify {
            Verification::Doubtful("not verified before the restart".to_owned())
        } else {
            Verification::Skipped
        };
        let credential = Credential {
            username: self.username,
            password: SecretString::from(self.password),
            expiry: self.expiry,
            handle: self.handle,
        };
        let minted = Minted { credential, minted_at: self.minted_at, verification, verified_at: None };
        let attempt = |(at, failed)| Some(Attempt { at: Timestamp::from_second(at).ok()?, failed });
        Slot {
            current: (!lapsed).then(|| Arc::new(minted)),
            retired,
            attempts: self.attempts.into_iter().filter_map(attempt).collect(),
            ..Slot::default()
        }
    }
}

/// Why a saved credential does not serve any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lapse {
    OtherSettings,
    Expired(Timestamp),
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSettings => f.write_str("it is of other settings"),
            Self::Expired(at) => write!(f, "it expired at {at}"),
        }
    }
}

/// The settings that make the credential what it is. They hold paths, never secrets.
fn fingerprint(registry: &Registry) -> String {
    let digest = Sha256::digest(format!("{:?}", registry.provider));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
