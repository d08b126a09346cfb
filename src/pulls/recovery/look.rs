//! A last look at a pod before it is deleted: whether it is still one that loses nothing by that. Pure.

use std::fmt;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::Preconditions;

use crate::pulls::recovery::Controller;
use crate::why::pods::{has_run, owner, statuses};

/// Who makes a pod again, by API version and kind, and counts the deleted one as nothing. A Job counts it as a failure,
/// towards its `backoffLimit`.
pub const CONTROLLERS: [(&str, &str); 4] =
    [("apps/v1", "DaemonSet"), ("apps/v1", "ReplicaSet"), ("v1", "ReplicationController"), ("apps/v1", "StatefulSet")];

/// The kubelet's words for an image that a registry did not give.
const REFUSED: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// What is known of a pod that may be deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// What must still hold then: that it is this pod, in this version. One that has begun to run since is left alone.
    pub preconditions: Preconditions,
    /// What makes it again.
    pub controller: Controller,
}

/// Why a pod is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is another pod of the same name.
    Replaced,
    /// It is being deleted already.
    Leaving,
    /// A container of it runs, or has run.
    Started,
    /// Nothing would make it again, or only at a cost.
    Uncontrolled,
    /// Not all that it waits for has been mended.
    Waiting,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replaced => "another pod has its name",
            Self::Leaving => "it is being deleted",
            Self::Started => "a container of it runs or has run",
            Self::Uncontrolled => "no controller makes it again",
            Self::Waiting => "it waits for something else, too",
        })
    }
}

/// Whether this may be deleted. `mended` are its images that can be pulled by now, each with its container.
///
/// # Errors
/// [`Unfit`].
pub fn examine(pod: &Pod, uid: &str, mended: &[(&str, &str)]) -> Result<Fit, Unfit> {
    if pod.metadata.uid.as_deref() != Some(uid) {
        return Err(Unfit::Replaced);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(Unfit::Leaving);
    }
    let status = pod.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()) != Some("Pending") || statuses(pod).any(has_run) {
        return Err(Unfit::Started);
    }
    let controller = controller(pod).ok_or(Unfit::Uncontrolled)?;
    let mut refused = statuses(pod).filter(|status| is_refused(status)).peekable();
    let images = images(pod);
    let is_mended = |status: &ContainerStatus| {
        mended.iter().any(|it| it.0 == status.name && images.iter().any(|image| image == it))
    };
    if refused.peek().is_none() || !refused.all(is_mended) {
        return Err(Unfit::Waiting);
    }
    let (uid, resource_version) = (pod.metadata.uid.clone(), pod.metadata.resource_version.clone());
    Ok(Fit { preconditions: Preconditions { uid, resource_version }, controller })
}

fn controller(pod: &Pod) -> Option<Controller> {
    let owner = owner(pod)?;
    CONTROLLERS.contains(&(owner.api_version.as_str(), owner.kind.as_str())).then(|| Controller {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    })
}

/// The containers as the pod wants them, each with its image: a status may name the image in another spelling.
fn images(pod: &Pod) -> Vec<(&str, &str)> {
    let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    containers.filter_map(|container| Some((container.name.as_str(), container.image.as_deref()?))).collect()
}

fn is_refused(status: &ContainerStatus) -> bool {
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    waiting.and_then(|waiting| waiting.reason.as_deref()).is_some_and(|reason| REFUSED.contains(&reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const UID: &str = "0b2f5c1e";
    const MENDED: [(&str, &str); 1] = [("app", "acme.azurecr.io/team/app:1")];

    fn waits(name: &str) -> Value {
        let state = json!({"waiting": {"reason": "ImagePullBackOff"}});
        json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    fn pod() -> Value {
        let owner =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true});
        json!({
            "metadata": {"name": "web-1", "uid": UID, "resourceVersion": "7", "ownerReferences": [owner]},
            "spec": {"containers": [{"name": "app", "image": MENDED[0].1}, {"name": "log", "image": "log:1"}]},
            "status": {"phase": "Pending", "containerStatuses": [waits("app")]},
        })
    }

    /// The verdict on the pod with one thing different.
    fn with(path: &str, value: Value) -> Result<Fit, Unfit> {
        let mut pod = pod();
        let (parent, key) = path.rsplit_once('/').expect("a path");
        pod.pointer_mut(parent).expect("a parent")[key] = value;
        examine(&serde_json::from_value(pod).expect("a pod"), UID, &MENDED)
    }

    #[test]
    fn a_pod_that_waits_for_mended_images_alone_may_go_in_the_version_that_was_seen() {
        let seen = with("/status/phase", json!("Pending")).expect("fit");
        let Preconditions { uid, resource_version } = seen.preconditions;
        assert_eq!((uid.as_deref(), resource_version.as_deref()), (Some(UID), Some("7")));
        assert_eq!((seen.controller.kind.as_str(), seen.controller.name.as_str()), ("ReplicaSet", "web"));
    }

    #[test]
    fn what_stands_against_it_is_told() {
        let second = |status: Value| with("/status/containerStatuses", json!([waits("app"), status]));
        let in_state = |state: Value| {
            let mut status = waits("log");
            status["state"] = state;
            second(status)
        };
        let time = "2026-01-01T00:00:00Z";
        assert_eq!(with("/metadata/uid", json!("other")), Err(Unfit::Replaced));
        assert_eq!(with("/metadata/deletionTimestamp", json!(time)), Err(Unfit::Leaving));
        assert_eq!(with("/status/phase", json!("Running")), Err(Unfit::Started));
        assert_eq!(in_state(json!({"running": {"startedAt": time}})), Err(Unfit::Started));
        assert_eq!(in_state(json!({"terminated": {"exitCode": 0}})), Err(Unfit::Started));
        assert_eq!(
            with(
                "/status/initContainerStatuses",
                json!([
                    {"name": "first", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                     "state": {"terminated": {"exitCode": 0}}}
                ])
            ),
            Err(Unfit::Started)
        );
        let mut debugger = waits("debugger");
        debugger["state"] = json!({"running": {"startedAt": time}});
        assert_eq!(with("/status/ephemeralContainerStatuses", json!([debugger])), Err(Unfit::Started));
        assert_eq!(with("/metadata/ownerReferences", json!([])), Err(Unfit::Uncontrolled));
        assert_eq!(with("/metadata/ownerReferences/0/kind", json!("Job")), Err(Unfit::Uncontrolled));
        assert_eq!(with("/metadata/ownerReferences/0/apiVersion", json!("example.com/v1")), Err(Unfit::Uncontrolled));
        assert_eq!(with("/metadata/ownerReferences/0/controller", json!(false)), Err(Unfit::Uncontrolled));
        assert_eq!(second(waits("log")), Err(Unfit::Waiting));
        assert_eq!(with("/status/containerStatuses", json!([])), Err(Unfit::Waiting));
        assert_eq!(with("/spec/containers/0/image", json!("acme.azurecr.io/team/app:2")), Err(Unfit::Waiting));
    }

    #[test]
    fn containers_that_wait_for_others_stand_in_nobodys_way() {
        let mut status = waits("log");
        status["state"] = json!({"waiting": {"reason": "ContainerCreating"}});
        assert!(with("/status/containerStatuses", json!([waits("app"), status])).is_ok());
    }
}
