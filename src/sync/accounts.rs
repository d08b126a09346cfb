//! What to do with one ServiceAccount's `imagePullSecrets`: a pure function.
//!
//! The field is an atomic list to server-side apply, so it is patched as a whole, on exactly the version that was
//! read. What a pullmint added is noted in an annotation as its own, and nothing else is ever taken away: several
//! pullmints may name Secrets in one account.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::{Value, json};

/// Comma-separated: the entries of `imagePullSecrets` that pullmints added, each as `OWNER/NAME`.
pub(super) const ADDED: &str = "pullmint.dev/added-image-pull-secrets";

/// A ServiceAccount, as far as pull Secrets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// Its identity.
    pub(super) uid: String,
    /// Its version.
    pub(super) resource_version: String,
    /// The names in `imagePullSecrets`, in their order.
    pub(super) secrets: Vec<String>,
    /// The notes of those that pullmints added.
    pub(super) added: BTreeSet<String>,
}

impl From<ServiceAccount> for Account {
    fn from(account: ServiceAccount) -> Self {
        let added = account.metadata.annotations.as_ref().and_then(|all| all.get(ADDED));
        Self {
            uid: account.metadata.uid.unwrap_or_default(),
            resource_version: account.metadata.resource_version.unwrap_or_default(),
            secrets: account.image_pull_secrets.into_iter().flatten().map(|secret| secret.name).collect(),
            added: added.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        }
    }
}

/// The merge patch that makes the account name all that this owner wants, and none that it added and does not want now.
/// `None`: it is as it should be.
#[must_use]
pub(super) fn patch(account: &Account, owner: &str, wanted: &BTreeSet<&str>) -> Option<Value> {
    let note = |name: &str| format!("{owner}/{name}");
    let (mut added, dropped): (BTreeSet<_>, BTreeSet<_>) = account.added.iter().cloned().partition(|noted| {
        let ours = noted.strip_prefix(owner).and_then(|rest| rest.strip_prefix('/'));
        ours.is_none_or(|name| wanted.contains(name))
    });
    let stays = |name: &&String| !dropped.contains(&note(name));
    let mut secrets: Vec<_> = account.secrets.iter().filter(stays).cloned().collect();
    for name in wanted {
        if !secrets.iter().any(|present| present == name) {
            secrets.push((*name).to_owned());
            added.insert(note(name));
        }
    }
    if secrets == account.secrets && added == account.added {
        return None;
    }
    let note = (!added.is_empty()).then(|| added.into_iter().collect::<Vec<_>>().join(","));
    let references: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
    Some(json!({
        "metadata": {
            "uid": account.uid,
            "resourceVersion": account.resource_version,
            "annotations": { ADDED: note },
        },
        "imagePullSecrets": references,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(account: &Account, patch: &Value) -> Account {
        let names = patch["imagePullSecrets"].as_array().expect("a list");
        let added = patch["metadata"]["annotations"][ADDED].as_str();
        Account {
            secrets: names.iter().map(|name| name["name"].as_str().expect("a name").to_owned()).collect(),
            added: added.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default(),
            ..account.clone()
        }
    }

    fn account(secrets: &[String]) -> Account {
        Account { uid: "u".into(), resource_version: "1".into(), secrets: secrets.to_vec(), added: BTreeSet::new() }
    }

    proptest! {
        #[test]
        fn what_others_put_there_stays_in_its_order_and_ours_goes_when_it_is_not_wanted(
            others in prop::collection::btree_set("[a-d]", 0..4), wanted in prop::collection::btree_set("[c-f]", 0..4),
        ) {
            let others: Vec<_> = others.into_iter().collect();
            let wanted: BTreeSet<_> = wanted.iter().map(String::as_str).collect();
            let before = account(&others);
            let with = patch(&before, "me", &wanted).map_or_else(|| before.clone(), |patch| apply(&before, &patch));
            prop_assert_eq!(&with.secrets[..others.len()], &others[..]);
            prop_assert!(wanted.iter().all(|name| with.secrets.iter().any(|present| present == name)));
            prop_assert_eq!(patch(&with, "me", &wanted), None);
            prop_assert_eq!(patch(&with, "another", &BTreeSet::new()), None, "which takes nothing of mine away");

            let without = patch(&with, "me", &BTreeSet::new()).map_or_else(|| with.clone(), |patch| apply(&with, &patch));
            prop_assert_eq!(without, before);
        }
    }

    #[test]
    fn the_patch_holds_on_the_version_that_was_read_only() {
        let patch = patch(&account(&[]), "me", &BTreeSet::from(["pull"])).expect("a patch");
        assert_eq!(patch["metadata"]["resourceVersion"], "1");
        assert_eq!(patch["metadata"]["uid"], "u");
    }
}
