//! The objects that are written, and what their metadata says when they are read back.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::credential::Expiry;
use crate::registry::RegistryName;
use crate::state::OF_NOTHING;
use crate::sync::decide::{Entry, Observed, Owner};

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "pullmint";

/// The recommended label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The namespace of the pullmint that owns a Secret, so that two of them do not take each other's.
pub const OWNER: &str = "pullmint.dev/owner";

/// A foreign Secret that says `"true"` here may be taken over.
pub const ADOPT: &str = "pullmint.dev/adopt";

/// What [`ADOPT`] says afterwards: consent is spent once, or two pullmints would take the Secret from each other for ever.
const ADOPTED: &str = "done";

/// When the youngest credential in the Secret was minted.
pub const MINTED_AT: &str = "pullmint.dev/minted-at";

/// When the first credential in the Secret expires.
pub const EXPIRES_AT: &str = "pullmint.dev/expires-at";

/// JSON: each registry in the Secret with its mint and expiry.
pub const REGISTRIES: &str = "pullmint.dev/registries";

/// What all copies of a Secret have in common: rendered once, written into any number of namespaces.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The entries, without passwords.
    pub entries: Vec<(RegistryName, Entry)>,
    /// Base64 of the dockerconfigjson.
    data: SecretString,
    annotations: BTreeMap<&'static str, String>,
}

impl Rendered {
    /// Renders the dockerconfigjson of these entries.
    #[must_use]
    pub fn new(entries: Vec<(RegistryName, Entry)>, dockerconfigjson: &SecretString) -> Self {
        let annotations = annotations(&entries);
        let data = SecretString::from(STANDARD.encode(dockerconfigjson.expose_secret()));
        Self { entries, data, annotations }
    }

    /// The body of the server-side apply that makes the Secret of one namespace. It holds the passwords.
    ///
    /// With `over`, the apply succeeds on exactly that version of that very Secret; without, only where there is none.
    #[must_use]
    pub fn manifest(&self, namespace: &str, name: &str, owner: &str, over: Option<&Observed>) -> Value {
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": { MANAGED_BY: FIELD_MANAGER, OWNER: owner },
                "annotations": self.annotations,
            },
            "type": "kubernetes.io/dockerconfigjson",
            "data": { ".dockerconfigjson": self.data.expose_secret() },
        });
        manifest["metadata"]["resourceVersion"] = over.map_or(OF_NOTHING, |over| &over.resource_version).into();
        if let Some(over) = over {
            manifest["metadata"]["uid"] = Value::from(over.uid.as_str());
            // Consent on a Secret that is ours already is meant for another pullmint.
            if over.adopted || (over.consents && over.owner != Owner::Us) {
                manifest["metadata"]["annotations"][ADOPT] = Value::from(ADOPTED);
            }
        }
        manifest
    }

    /// The same Secret for a reader outside the cluster: in no namespace, and nobody's. It holds the passwords.
    #[must_use]
    pub fn by_itself(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "annotations": self.annotations },
            "type": "kubernetes.io/dockerconfigjson",
            "data": { ".dockerconfigjson": self.data.expose_secret() },
        })
    }
}

fn annotations(entries: &[(RegistryName, Entry)]) -> BTreeMap<&'static str, String> {
    let records: BTreeMap<_, _> = entries.iter().map(|(name, entry)| (name, Record::from(*entry))).collect();
    let mut annotations = BTreeMap::new();
    annotations.insert(REGISTRIES, serde_json::to_string(&records).unwrap_or_else(|_| unreachable!("plain values")));
    if let Some(at) = entries.iter().map(|(_, entry)| entry.minted_at).max() {
        annotations.insert(MINTED_AT, at.to_string());
    }
    if let Some(at) = entries.iter().filter_map(|(_, entry)| entry.expiry.instant()).min() {
        annotations.insert(EXPIRES_AT, at.to_string());
    }
    annotations
}

/// An entry as the annotation [`REGISTRIES`] spells it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    minted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self { minted_at: entry.minted_at, expires_at: entry.expiry.instant() }
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self { minted_at: record.minted_at, expiry: record.expires_at.map_or(Expiry::Never, Expiry::At) }
    }
}

/// Reads a Secret's metadata as the pullmint in the namespace `us` sees it.
#[must_use]
pub fn observe(secret: &PartialObjectMeta<Secret>, us: &str) -> Observed {
    let metadata = &secret.metadata;
    let annotation = |key| metadata.annotations.as_ref().and_then(|all| all.get(key));
    Observed {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        owner: owner(metadata, us),
        consents: annotation(ADOPT).is_some_and(|value| value == "true"),
        adopted: annotation(ADOPT).is_some_and(|value| value == ADOPTED),
        entries: annotation(REGISTRIES).map(|text| parse_entries(text)).unwrap_or_default(),
        touched_by: touched_by(metadata),
    }
}

fn touched_by(metadata: &ObjectMeta) -> Option<String> {
    let others =
        metadata.managed_fields.iter().flatten().filter(|fields| fields.manager.as_deref() != Some(FIELD_MANAGER));
    others.max_by_key(|fields| fields.time.as_ref().map(|time| time.0)).and_then(|fields| fields.manager.clone())
}

/// An annotation that somebody else spoiled tells nothing, and is written anew.
fn parse_entries(text: &str) -> Vec<(RegistryName, Entry)> {
    let records: BTreeMap<RegistryName, Record> = serde_json::from_str(text).unwrap_or_default();
    records.into_iter().map(|(name, record)| (name, record.into())).collect()
}

/// Ours is what we applied and no other pullmint claims. A copy of ours that somebody else made is theirs.
fn owner(metadata: &ObjectMeta, us: &str) -> Owner {
    let managers = metadata.managed_fields.iter().flatten();
    let names: Vec<_> = managers.filter_map(|fields| fields.manager.as_deref()).collect();
    let owner = metadata.labels.as_ref().and_then(|labels| labels.get(OWNER));
    match owner {
        Some(owner) if owner != us => Owner::Other(format!("the pullmint in namespace {owner}")),
        _ if names.contains(&FIELD_MANAGER) => Owner::Us,
        _ if names.is_empty() => Owner::Other("an unnamed field manager".to_owned()),
        _ => Owner::Other(names.join(", ")),
    }
}
