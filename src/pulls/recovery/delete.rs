//! The deletion itself, after a last look at the pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams};
use tokio::time::timeout;

use crate::pulls::recovery::Controller;
use crate::pulls::recovery::decide::Patient;
use crate::pulls::recovery::look::{self, Unfit};

const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How it ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The pod is deleted, and this makes a new one.
    Deleted(Controller),
    /// The pod is gone by itself.
    Gone,
    /// The pod is left alone.
    Unfit(Unfit),
    /// The pod changed between the look and the deletion.
    Changed,
    /// RBAC or an admission policy forbids it.
    Forbidden(String),
    /// No answer, or an unexpected one.
    Failed(String),
}

impl Ending {
    /// The stable name, for metrics, if a deletion was asked for.
    pub(super) const fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Deleted(_) => Some("deleted"),
            Self::Changed => Some("conflict"),
            Self::Forbidden(_) => Some("forbidden"),
            Self::Failed(_) => Some("failed"),
            Self::Gone | Self::Unfit(_) => None,
        }
    }
}

/// Deletes the pod in the very version that was found fit.
pub(super) async fn delete(client: Client, patient: &Patient) -> Ending {
    let pods = Api::<Pod>::namespaced(client, &patient.namespace);
    let pod = match bounded(pods.get(&patient.name)).await {
        Ok(pod) => pod,
        Err(ending) => return ending,
    };
    let mended: Vec<_> = patient.mended.iter().map(|(container, image)| (container.as_str(), image.as_str())).collect();
    let fit = match look::examine(&pod, &patient.uid, &mended) {
        Ok(fit) => fit,
        Err(unfit) => return Ending::Unfit(unfit),
    };
    let params = DeleteParams::default().preconditions(fit.preconditions);
    match bounded(pods.delete(&patient.name, &params)).await {
        Ok(_) => Ending::Deleted(fit.controller),
        Err(ending) => ending,
    }
}

async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Ending> {
    Err(match timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(kube::Error::Api(status))) => match status.code {
            404 => Ending::Gone,
            409 => Ending::Changed,
            403 => Ending::Forbidden(status.message.clone()),
            _ => Ending::Failed(status.message.clone()),
        },
        Ok(Err(error)) => Ending::Failed(error.to_string()),
        Err(_) => Ending::Failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
    })
}
