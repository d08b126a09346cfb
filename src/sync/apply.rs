//! The only writes pullmint makes outside its own namespace, and what their failures mean.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{PartialObjectMeta, Status};
use serde_json::Value;
use tokio::time::timeout;

use crate::causes;
use crate::sync::decide::Observed;
use crate::sync::manifest::FIELD_MANAGER;

/// A call that takes longer has failed; its effect, if any, will be seen by the watch.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Setback {
    /// The object changed since it was read.
    #[error("the object changed meanwhile")]
    Outdated,
    /// The namespace, or the object to patch, is gone or going.
    #[error("the namespace is going away")]
    Gone,
    /// Another field manager owns what we would write.
    #[error("{0}")]
    Foreign(String),
    /// The Secret cannot be changed into what it should be.
    #[error("{0}")]
    Unchangeable(String),
    /// RBAC or an admission policy forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// The API server asks for patience.
    #[error("the API server asks for patience")]
    Throttled(Option<Duration>),
    /// There was no connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time, or a server error: it may have more to do than it can.
    #[error("{0}")]
    Overloaded(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Setback {
    /// What was in the way of the write, where it was no mere failure; the stable name, for metrics.
    pub(super) const fn conflict(&self) -> Option<&'static str> {
        match self {
            Self::Outdated => Some("outdated"),
            Self::Foreign(_) => Some("field_manager"),
            Self::Unchangeable(_) => Some("unchangeable"),
            Self::Forbidden(_) => Some("forbidden"),
            Self::Gone | Self::Throttled(_) | Self::Unreachable(_) | Self::Overloaded(_) | Self::Failed(_) => None,
        }
    }
}

/// Applies a Secret. `force` takes over fields that others own; only for Secrets that are ours or that consent.
///
/// # Errors
/// [`Setback`].
pub(super) async fn secret(
    client: Client,
    namespace: &str,
    name: &str,
    manifest: &Value,
    force: bool,
) -> Result<PartialObjectMeta<Secret>, Setback> {
    let api = Api::<Secret>::namespaced(client, namespace);
    let params = PatchParams { force, ..PatchParams::apply(FIELD_MANAGER) };
    // The answer is the metadata alone: the Secret's data does not travel back.
    bounded(api.patch_metadata(name, &params, &Patch::Apply(manifest))).await
}

/// Deletes exactly the Secret that was observed.
///
/// # Errors
/// [`Setback`].
pub(super) async fn delete(client: Client, namespace: &str, name: &str, observed: &Observed) -> Result<(), Setback> {
    let api = Api::<Secret>::namespaced(client, namespace);
    let preconditions =
        Preconditions { uid: Some(observed.uid.clone()), resource_version: Some(observed.resource_version.clone()) };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    bounded(api.delete(name, &params)).await.map(|_| ())
}

/// Patches a ServiceAccount; the patch itself names the version that it holds on.
///
/// # Errors
/// [`Setback`].
pub(super) async fn account(
    client: Client,
    namespace: &str,
    name: &str,
    patch: &Value,
) -> Result<ServiceAccount, Setback> {
    let api = Api::<ServiceAccount>::namespaced(client, namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    bounded(api.patch(name, &params, &Patch::Merge(patch))).await
}

async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Setback> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(refusal(&status)),
        Ok(Err(error @ (kube::Error::HyperError(_) | kube::Error::Service(_)))) => {
            Err(Setback::Unreachable(causes::joined(&error, ": ")))
        }
        Ok(Err(error)) => Err(Setback::Failed(causes::joined(&error, ": "))),
        Err(_) => Err(Setback::Overloaded(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

fn refusal(status: &Status) -> Setback {
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    if causes().any(|cause| cause.reason == "NamespaceTerminating") || status.is_not_found() {
        return Setback::Gone;
    }
    if causes().any(|cause| cause.reason == "FieldManagerConflict") {
        let owners: Vec<_> = causes().map(|cause| cause.message.as_str()).collect();
        return Setback::Foreign(owners.join("; "));
    }
    match status.code {
        409 => Setback::Outdated,
        422 => Setback::Unchangeable(status.message.clone()),
        403 => Setback::Forbidden(status.message.clone()),
        429 => Setback::Throttled(retry_after(status)),
        500.. => Setback::Overloaded(status.message.clone()),
        _ => Setback::Failed(status.message.clone()),
    }
}

fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_in_time_counts_as_overload() {
        let answer = bounded(std::future::pending::<kube::Result<()>>()).await;
        assert_eq!(answer, Err(Setback::Overloaded("no answer within 15 s".to_owned())));
    }
}
