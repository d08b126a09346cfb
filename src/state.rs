//! What outlives the process: the credentials in force and the tokens that still have to be deleted.
//!
//! They live in one Secret in pullmint's own namespace, which nobody else may read or write. After a restart a
//! credential that is still fresh is taken from there: no mint, and since the Secrets hold it already, no write.
//! Nothing is ever learned from Secrets in tenants' namespaces.

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
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::settings::Registry;
use crate::credential::{Credential, Expiry, TokenHandle};
use crate::keeper::slot::{Minted, Retired, Slot, Verification, publications};
use crate::registry::RegistryName;

/// The Secret's name.
pub const NAME: &str = "pullmint-state";

const FIELD_MANAGER: &str = "pullmint";

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

const FORBIDDEN: &str = "grant what `pullmint rbac` prints for this namespace";

/// After a call that failed.
const RETRY: Duration = Duration::from_secs(5);

/// One registry's part of the Secret, as JSON under the registry's name.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// Of what settings the credential came; under others it is not taken over.
    settings: String,
    username: String,
    password: String,
    minted_at: Timestamp,
    expiry: Expiry,
    handle: Option<TokenHandle>,
    verified: bool,
    retired: Vec<(TokenHandle, Timestamp)>,
}

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

impl StateSecret {
    /// The state of the pullmint that lives in this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// What an earlier process left for these registries. Whatever cannot be read is reported and left out: then
    /// the registry is minted anew, which is right in every case.
    ///
    /// Waits for an API server that does not answer: what is minted without it can neither be written nor kept.
    pub async fn load(&self, registries: &[Registry], now: impl Fn() -> Timestamp) -> BTreeMap<RegistryName, Slot> {
        let mut data = loop {
            match timeout(CALL_TIMEOUT, self.api.get_opt(NAME)).await {
                Ok(Ok(secret)) => break secret.and_then(|secret| secret.data).unwrap_or_default(),
                Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                    warn!(secret = NAME, error = %status, remedy = FORBIDDEN, "may not read the state; minting anew");
                    break BTreeMap::new();
                }
                Ok(Err(error)) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    warn!(secret = NAME, error, "could not read the state; trying again");
                }
                Err(_) => warn!(secret = NAME, "no answer when reading the state; trying again"),
            }
            tokio::time::sleep(RETRY).await;
        };
        let now = now();
        let mut slots = BTreeMap::new();
        for registry in registries {
            let Some(ByteString(bytes)) = data.remove(registry.name.as_str()) else { continue };
            match serde_json::from_slice::<Record>(&bytes) {
                Ok(record) => {
                    slots.insert(registry.name.clone(), record.into_slot(&fingerprint(registry), now));
                }
                // The parser's own words could quote the password.
                Err(_) => warn!(registry = %registry.name, secret = NAME, "the state is damaged; minting anew"),
            }
        }
        slots
    }

    /// Saves whenever a keeper has published something new, for ever.
    pub async fn keep(self, registries: Vec<(Registry, watch::Receiver<Slot>)>, saved: BTreeMap<RegistryName, Slot>) {
        let mut renewals = publications(registries.iter().map(|(_, slot)| slot.clone()));
        let mut last = records(registries.iter().map(|(registry, _)| (registry, saved.get(&registry.name))));
        while renewals.next().await.is_some() {
            let present = latest(&registries);
            if identities(&present) == identities(&last) {
                continue;
            }
            while let Err(error) = self.save(&present).await {
                warn!(secret = NAME, error, "could not save the state; a restart would mint anew");
                tokio::time::sleep(RETRY).await;
            }
            debug!(secret = NAME, "saved the state");
            last = present;
        }
    }

    /// Saves what the keepers have published last, once.
    ///
    /// # Errors
    /// In words.
    pub async fn save_now(&self, registries: &[(Registry, watch::Receiver<Slot>)]) -> Result<(), String> {
        self.save(&latest(registries)).await
    }

    async fn save(&self, records: &BTreeMap<RegistryName, Record>) -> Result<(), String> {
        let data = records.iter().map(|(name, record)| {
            let json = serde_json::to_vec(record).unwrap_or_else(|_| unreachable!("plain values"));
            (name.as_str().to_owned(), ByteString(json))
        });
        let secret = Secret {
            metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
            type_: Some("pullmint.dev/state".to_owned()),
            data: Some(data.collect()),
            ..Secret::default()
        };
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match timeout(CALL_TIMEOUT, self.api.patch_metadata(NAME, &params, &Patch::Apply(&secret))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
        }
    }
}

impl Record {
    fn of(settings: String, slot: &Slot) -> Option<Self> {
        let Minted { credential, minted_at, verification } = slot.current.as_deref()?;
        Some(Self {
            settings,
            username: credential.username.clone(),
            password: credential.password.expose_secret().to_owned(),
            minted_at: *minted_at,
            expiry: credential.expiry,
            handle: credential.handle.clone(),
            verified: *verification == Verification::Accepted,
            retired: slot.retired.iter().map(|retired| (retired.handle.clone(), retired.replaced_at)).collect(),
        })
    }

    /// A dead credential, or one of other settings, is not taken over; tokens to delete always are.
    fn into_slot(self, settings: &str, now: Timestamp) -> Slot {
        let retired = |(handle, replaced_at)| Retired { handle, replaced_at, covered_at: None };
        let mut slot = Slot { retired: self.retired.into_iter().map(retired).collect(), ..Slot::default() };
        if self.settings == settings && !self.expiry.is_past(now) && self.minted_at <= now {
            let verification = if self.verified {
                Verification::Accepted
            } else {
                Verification::Doubtful("not verified before the restart".to_owned())
            };
            let credential = Credential {
                username: self.username,
                password: SecretString::from(self.password),
                expiry: self.expiry,
                handle: self.handle,
            };
            slot.current = Some(Arc::new(Minted { credential, minted_at: self.minted_at, verification }));
        }
        slot
    }
}

fn latest(registries: &[(Registry, watch::Receiver<Slot>)]) -> BTreeMap<RegistryName, Record> {
    let slots: Vec<_> = registries.iter().map(|(registry, slot)| (registry, slot.borrow().clone())).collect();
    records(slots.iter().map(|(registry, slot)| (*registry, Some(slot))))
}

fn records<'a>(slots: impl Iterator<Item = (&'a Registry, Option<&'a Slot>)>) -> BTreeMap<RegistryName, Record> {
    slots
        .filter_map(|(registry, slot)| Some((registry.name.clone(), Record::of(fingerprint(registry), slot?)?)))
        .collect()
}

/// Whether two states are the same, told without passwords.
fn identities(records: &BTreeMap<RegistryName, Record>) -> Vec<(&RegistryName, Timestamp, usize)> {
    records.iter().map(|(name, record)| (name, record.minted_at, record.retired.len())).collect()
}

/// The settings that make the credential what it is. They hold paths, never secrets.
fn fingerprint(registry: &Registry) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{:?}", registry.provider));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
