//! What outlives the process: the credentials in force and the tokens that still have to be deleted.
//!
//! They live in one Secret in pullmint's own namespace, which nobody else may read or write. After a restart or a
//! change of leader a credential that is still fresh is taken from there: no mint, and since the Secrets hold it
//! already, no write. Nothing is ever learned from Secrets in tenants' namespaces.
//!
//! Whatever is wrong with it costs a mint at most, and is reported: a damaged record, another one's Secret of the same
//! name, one that may not be read. Of two leaders that both write, the record of the newer credential stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::config::settings::{Registry, STATE_SECRET};
use crate::keeper::slot::{Slot, publications};
use crate::pulse::Pulse;
use crate::registry::RegistryName;

mod record;

use record::Record;

/// The Secret's name.
pub const NAME: &str = STATE_SECRET;

const TYPE: &str = "pullmint.dev/state";

/// The version of a store that has never held anything, so that no object has it: an apply to it makes a new object, or
/// finds one in its place and conflicts.
pub(crate) const OF_NOTHING: &str = "1";

const FIELD_MANAGER: &str = "pullmint";

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

const FORBIDDEN: &str = "grant what `pullmint rbac` prints for this namespace";

/// After a call that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Answers that the API server cannot read the state, after which nobody waits for it any more.
const BROKEN_ANSWERS: usize = 6;

/// After a refusal, which lasts until a person acts.
const RETRY_REFUSED: Duration = Duration::from_secs(60);

/// The Secret in pullmint's own namespace.
#[derive(Clone)]
pub struct StateSecret {
    api: Api<Secret>,
}

impl std::fmt::Debug for StateSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateSecret").finish_non_exhaustive()
    }
}

/// The registries at work, and what their keepers say.
pub type Kept = Vec<(Registry, watch::Receiver<Slot>)>;

/// The Secret as it was read: by registry, each record as far as it can be read.
#[derive(Default)]
struct Stored {
    version: Option<String>,
    /// Who else has written the data.
    strangers: Vec<String>,
    records: BTreeMap<RegistryName, Record>,
    damaged: Vec<RegistryName>,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// RBAC forbids it.
    #[error("{0}; {FORBIDDEN}")]
    Forbidden(String),
    /// The Secret of that name is somebody else's.
    #[error("the Secret {NAME} is of type {0} and not pullmint's; delete or rename it")]
    Foreign(String),
    /// Somebody else wrote it meanwhile.
    #[error("it was written by another process meanwhile")]
    Outdated,
    /// The API server is there, and cannot do it: as when it has lost the key by which it would decrypt the Secret.
    #[error("{0}; see whether the API server can read the Secret, and delete it if it never will again")]
    Broken(String),
    /// No answer, or one that makes no sense.
    #[error("{0}")]
    Failed(String),
}

impl StateSecret {
    /// The state of the pullmint that lives in this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// What an earlier process left for these registries. Whatever cannot be read is reported and left out: then
    /// the registry is minted anew, which is right in every case.
    ///
    /// Waits for an API server that does not answer: what is minted without it can neither be written nor kept. For one
    /// that answers, and has trouble with this very Secret, it does not wait for long.
    pub async fn load(
        &self,
        registries: impl Iterator<Item = &Registry>,
        now: impl Fn() -> Timestamp,
    ) -> BTreeMap<RegistryName, Slot> {
        let mut broken = 0;
        let mut stored = loop {
            let read = self.read().await;
            broken += usize::from(matches!(read, Err(StateError::Broken(_))));
            match read {
                Ok(stored) => break stored,
                Err(error)
                    if broken >= BROKEN_ANSWERS
                        || matches!(error, StateError::Forbidden(_) | StateError::Foreign(_)) =>
                {
                    warn!(secret = NAME, %error, "cannot use the state; minting anew");
                    return BTreeMap::new();
                }
                Err(error) => warn!(secret = NAME, %error, "could not read the state; trying again"),
            }
            tokio::time::sleep(RETRY).await;
        };
        let now = now();
        let registries: Vec<_> = registries.collect();
        stored.report(&registries, now);
        let slot = |registry: &Registry| {
            Some((registry.name.clone(), stored.records.remove(&registry.name)?.into_slot(registry, now)))
        };
        registries.into_iter().filter_map(slot).collect()
    }

    /// Saves whenever a keeper has published something new, for ever.
    pub async fn keep(self, registries: Kept, clock: Arc<dyn Clock>, pulse: Pulse) {
        let mut renewals = publications(registries.iter().map(|(_, slot)| slot.clone()));
        let mut saved = None;
        loop {
            let marks = marks(&registries);
            if saved.as_ref() != Some(&marks) {
                while let Err(error) = self.save(&registries).await {
                    warn!(secret = NAME, %error, "could not save the state; a restart would mint anew");
                    tokio::select! {
                        () = tokio::time::sleep(error.patience()) => {}
                        never = pulse.rest(&*clock) => match never {},
                    }
                }
                saved = Some(marks);
            }
            tokio::select! {
                Some(()) = renewals.next() => {}
                never = pulse.rest(&*clock) => match never {},
            }
        }
    }

    /// Saves what the keepers have published last, if that is not what is saved.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn save(&self, registries: &Kept) -> Result<(), StateError> {
        let records = registries
            .iter()
            .filter_map(|(registry, slot)| Some((registry.name.clone(), Record::of(registry, &slot.borrow())?)));
        let mut records: BTreeMap<_, _> = records.collect();
        if records.is_empty() {
            // Nothing is known yet, and so nothing may be forgotten.
            return Ok(());
        }
        let mut stored = self.read().await?;
        for (registry, theirs) in std::mem::take(&mut stored.records) {
            let works = registries.iter().any(|(ours, _)| ours.name == registry);
            let is_newer = records.get(&registry).is_none_or(|ours| theirs.is_newer_than(ours));
            if works && is_newer {
                records.insert(registry.clone(), theirs.clone());
            }
            stored.records.insert(registry, theirs);
        }
        if stored.damaged.is_empty() && stored.records == records {
            return Ok(());
        }
        self.write(&records, stored.version).await?;
        debug!(secret = NAME, "saved the state");
        Ok(())
    }

    async fn read(&self) -> Result<Stored, StateError> {
        let Some(secret) = bounded(self.api.get_opt(NAME)).await? else { return Ok(Stored::default()) };
        let type_ = secret.type_.unwrap_or_default();
        if type_ != TYPE {
            return Err(StateError::Foreign(type_));
        }
        let strangers = strangers(&secret.metadata);
        let mut stored = Stored { version: secret.metadata.resource_version, strangers, ..Stored::default() };
        for (name, ByteString(bytes)) in secret.data.unwrap_or_default() {
            let name = RegistryName::new(name);
            // The parser's own words could quote the password.
            match serde_json::from_slice(&bytes) {
                Ok(record) => drop(stored.records.insert(name, record)),
                Err(_) => stored.damaged.push(name),
            }
        }
        Ok(stored)
    }

    /// Writes over exactly that version, or makes a new Secret where there is none.
    async fn write(&self, records: &BTreeMap<RegistryName, Record>, over: Option<String>) -> Result<(), StateError> {
        let data = records.iter().map(|(name, record)| {
            let json = serde_json::to_vec(record).unwrap_or_else(|_| unreachable!("plain values"));
            (name.as_str().to_owned(), ByteString(json))
        });
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                resource_version: Some(over.unwrap_or_else(|| OF_NOTHING.to_owned())),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            data: Some(data.collect()),
            ..Secret::default()
        };
        let params = PatchParams::apply(FIELD_MANAGER).force();
        bounded(self.api.patch_metadata(NAME, &params, &Patch::Apply(&secret))).await.map(drop)
    }
}

impl Stored {
    /// Tells of each registry that has nothing to go on with, and why.
    fn report(&self, registries: &[&Registry], now: Timestamp) {
        if self.version.is_none() {
            info!(secret = NAME, "found no state; minting what is not known here");
            return;
        }
        if !self.strangers.is_empty() {
            warn!(
                secret = NAME,
                writers = self.strangers.join(", "),
                "the state was written by somebody else, as from a backup; what the Secrets hold that is newer stays"
            );
        }
        for registry in registries {
            let name = &registry.name;
            let reason = match self.records.get(name) {
                Some(record) => record.lapse(registry, now).map(|lapse| lapse.to_string()),
                None if self.damaged.contains(name) => {
                    warn!(registry = %name, secret = NAME, "the state is damaged; minting anew");
                    None
                }
                None => Some("there is none".to_owned()),
            };
            if let Some(reason) = reason {
                info!(registry = %name, secret = NAME, reason,
                    "the state holds no credential to go on with; minting what is not known here");
            }
        }
    }
}

/// Those besides pullmint who have written data.
fn strangers(metadata: &ObjectMeta) -> Vec<String> {
    let entries = metadata.managed_fields.iter().flatten();
    let data = entries.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:data").is_some()));
    data.filter_map(|entry| entry.manager.clone()).filter(|manager| manager != FIELD_MANAGER).collect()
}

impl StateError {
    fn patience(&self) -> Duration {
        match self {
            Self::Forbidden(_) | Self::Foreign(_) => RETRY_REFUSED,
            Self::Outdated => Duration::ZERO,
            Self::Broken(_) | Self::Failed(_) => RETRY,
        }
    }
}

/// By what one sees, without passwords, that there is something new to save.
fn marks(registries: &Kept) -> Vec<(RegistryName, Option<Timestamp>, usize)> {
    let mark = |(registry, slot): &(Registry, watch::Receiver<Slot>)| {
        let slot = slot.borrow();
        let minted_at = slot.current.as_ref().filter(|_| !slot.superseded).map(|minted| minted.minted_at);
        (registry.name.clone(), minted_at, slot.retired.len())
    };
    registries.iter().map(mark).collect()
}

async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, StateError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(StateError::Forbidden(status.message)),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(StateError::Outdated),
        Ok(Err(kube::Error::Api(status))) if status.code == 500 => Err(StateError::Broken(status.message)),
        Ok(Err(error)) => Err(StateError::Failed(error.to_string())),
        Err(_) => Err(StateError::Failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}
