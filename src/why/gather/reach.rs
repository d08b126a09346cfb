//! Which Secrets are asked for: a person tries, a daemon knows beforehand what it may not read.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};

use super::{IN_FLIGHT, short};
use crate::sync::manifest::{FIELD_MANAGER, MANAGED_BY};
use crate::why::keyring::{DOCKER_CONFIG_JSON, DOCKERCFG};

/// Why a Secret was not asked for.
pub(super) const NOT_READ: &str = "pullmint reads only Secrets of its own names (see read_all_secrets)";

/// Which Secrets are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All that are of use. What is refused is said.
    #[default]
    Whatever,
    /// Single ones, by their names.
    ByName {
        /// The names of pullmint's own Secrets: looked for in every namespace.
        own: BTreeSet<String>,
        /// Whether Secrets of other names are read too where a pod names them.
        others: bool,
    },
}

impl Reach {
    /// Whether a Secret is not even asked for.
    pub(super) fn forbids(&self, secret: &str) -> bool {
        matches!(self, Self::ByName { own, others: false } if !own.contains(secret))
    }

    /// The pull Secrets that a namespace has, as far as they are looked for, and what could not be read.
    pub(super) async fn present(&self, api: &Api<Secret>, namespace: &str) -> (Vec<Secret>, Vec<String>) {
        match self {
            Self::Whatever => listed(api, namespace).await,
            Self::ByName { own, .. } => read(api, own).await,
        }
    }

    /// How to find out where pullmint keeps the Secrets of these names.
    pub(super) fn managed(&self, wanted: &BTreeSet<&String>) -> Vec<ListParams> {
        let ours = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
        match self {
            Self::Whatever if wanted.is_empty() => Vec::new(),
            Self::Whatever => vec![ours],
            Self::ByName { own, .. } => {
                let names = own.iter().filter(|name| wanted.contains(name));
                names.map(|name| ours.clone().fields(&format!("metadata.name={name}"))).collect()
            }
        }
    }
}

async fn listed(api: &Api<Secret>, namespace: &str) -> (Vec<Secret>, Vec<String>) {
    let of_type = |kind: &str| ListParams::default().fields(&format!("type={kind}"));
    let (new, old) = (of_type(DOCKER_CONFIG_JSON.0), of_type(DOCKERCFG.0));
    let (new, old) = tokio::join!(api.list(&new), api.list(&old));
    let refused = |error| {
        format!(
            "could not list the pull Secrets of namespace {namespace}, so that only those that pods name are looked at: {}",
            short(error)
        )
    };
    let notes = new.as_ref().err().map(refused).into_iter().collect();
    ([new, old].into_iter().flatten().flat_map(|list| list.items).collect(), notes)
}

/// By their names, whether the namespace has them or not.
async fn read(api: &Api<Secret>, names: &BTreeSet<String>) -> (Vec<Secret>, Vec<String>) {
    let get = async |name: String| api.get_opt(&name).await;
    let secrets = stream::iter(names.clone()).map(get).buffer_unordered(IN_FLIGHT);
    let is_pull_secret = |secret: &Secret| {
        secret.type_.as_deref().is_some_and(|kind| [DOCKER_CONFIG_JSON.0, DOCKERCFG.0].contains(&kind))
    };
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for secret in secrets.collect::<Vec<_>>().await {
        match secret {
            Ok(secret) => found.extend(secret.filter(is_pull_secret)),
            Err(error) => notes.push(format!("could not read one of pullmint's own Secrets: {}", short(&error))),
        }
    }
    (found, notes)
}
