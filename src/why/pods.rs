//! Which pods fail to pull, and what else their objects tell. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, EphemeralContainer, Event, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::why::case::{Attempts, Complaint, ContainerKind, Subject};
use crate::why::catalogue::Code;
use crate::why::message;
use crate::why::reference::Reference;

/// The kubelet's words for an image that it does not get.
const REASONS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// One container's wish for an image.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The container.
    pub subject: Subject,
    /// The image, as it is written.
    pub image: String,
    /// What the kubelet says.
    pub complaint: Option<Complaint>,
    /// The pod's identity.
    pub uid: String,
    /// The pull Secrets that the pod names.
    pub pull_secrets: Vec<String>,
    /// The pod's ServiceAccount.
    pub account: String,
    /// Its pod does not exist yet, so the ServiceAccount's Secrets are still to be added.
    pub is_planned: bool,
}

/// A pod that waits for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) pod: String,
    pub(super) reason: String,
}

/// What was found in many pods; the pods themselves are not kept.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) failing: Vec<Wish>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) pods: usize,
    /// On which nodes each image runs.
    running: BTreeMap<String, BTreeSet<String>>,
}

impl Sorted {
    pub(super) fn take(&mut self, pod: &Pod) {
        self.pods += 1;
        let failing = failing(pod);
        if failing.is_empty() {
            self.waiting.extend(waiting(pod));
        }
        self.failing.extend(failing);
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) {
            for (image, _) in
                containers(pod).filter(|(_, status)| is_running(*status)).map(|(wish, status)| (wish.image, status))
            {
                self.running.entry(image).or_default().insert(node.clone());
            }
        }
    }

    /// The nodes, but this one, on which an image runs.
    pub(super) fn runs_on(&self, image: &str, but: Option<&str>) -> Vec<String> {
        let nodes = self.running.get(image).into_iter().flatten();
        nodes.filter(|node| Some(node.as_str()) != but).cloned().collect()
    }
}

/// All that a pod needs, whether it has it or not.
pub(super) fn needs(pod: &Pod) -> Vec<Wish> {
    containers(pod).map(|(wish, _)| wish).collect()
}

/// All that a pod wants to pull and does not get.
#[must_use]
pub fn failing(pod: &Pod) -> Vec<Wish> {
    let complaining = containers(pod).filter_map(|(wish, status)| {
        let waiting = status?.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone().unwrap_or_default();
        let message = waiting.message.clone().unwrap_or_default();
        is_about_pulling(&reason, &message).then(|| {
            let complaint = Some(Complaint { reason, message, attempts: None });
            Wish { complaint, ..wish }
        })
    });
    complaining.collect()
}

/// The kubelet puts an error of the keyring itself where a reason belongs.
fn is_about_pulling(reason: &str, message: &str) -> bool {
    let Ok(any) = Reference::parse("any") else { return false };
    let is_keyrings = |text: &str| matches!(message::heard(text, &any), Some(Code::SECRET_BROKEN | Code::AUTH_FIELD));
    REASONS.contains(&reason) || (reason.contains(' ') && (is_keyrings(reason) || is_keyrings(message)))
}

fn is_running(status: Option<&ContainerStatus>) -> bool {
    status.and_then(|status| status.state.as_ref()).is_some_and(|state| state.running.is_some())
}

/// Why a pod that pulls well does not run.
fn waiting(pod: &Pod) -> Option<Waiting> {
    let name = format!(
        "{}/{}",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default()
    );
    let reasons = containers(pod).filter_map(|(_, status)| status?.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let reason = reasons.into_iter().find(|reason| reason != "PodInitializing").or_else(|| {
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        let unscheduled = |condition: &&k8s_openapi::api::core::v1::PodCondition| {
            condition.type_ == "PodScheduled" && condition.status == "False"
        };
        conditions.iter().find(unscheduled)?.reason.clone()
    })?;
    Some(Waiting { pod: name, reason })
}

/// All containers of a pod, each with its status if there is one.
fn containers(pod: &Pod) -> impl Iterator<Item = (Wish, Option<&ContainerStatus>)> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let name = pod.metadata.name.clone().unwrap_or_default();
    let wishes = pod.spec.as_ref().map(|spec| wishes(spec, &namespace, &name)).unwrap_or_default();
    wishes.into_iter().map(|mut wish| {
        wish.uid = pod.metadata.uid.clone().unwrap_or_default();
        wish.is_planned = false;
        wish.subject.controller = controller(pod);
        let status = statuses(pod).find(|status| status.name == wish.subject.container);
        (wish, status)
    })
}

/// The statuses of all kinds of containers, ephemeral ones too: somebody may be debugging the pod.
pub(crate) fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let all = pod.status.iter().flat_map(|status| {
        [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses]
    });
    all.flatten().flatten()
}

/// Whether a container runs, or has run.
pub(crate) fn has_run(status: &ContainerStatus) -> bool {
    let ran = |state: &ContainerState| state.running.is_some() || state.terminated.is_some();
    status.restart_count > 0 || [&status.state, &status.last_state].into_iter().flatten().any(ran)
}

/// The one of a pod's owners that makes it again.
pub(crate) fn owner(pod: &Pod) -> Option<&OwnerReference> {
    pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// The wishes of a pod that may not exist yet.
pub(super) fn wishes(spec: &PodSpec, namespace: &str, pod: &str) -> Vec<Wish> {
    let pull_secrets: Vec<_> = spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone()).collect();
    let account = spec.service_account_name.clone().filter(|name| !name.is_empty());
    let account = account.unwrap_or_else(|| "default".to_owned());
    let wish = |container: &str, kind, image: Option<&String>| {
        image.map(|image| Wish {
            subject: Subject {
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                container: container.to_owned(),
                kind,
                controller: None,
                node: spec.node_name.clone(),
            },
            image: image.clone(),
            complaint: None,
            uid: String::new(),
            pull_secrets: pull_secrets.clone(),
            account: account.clone(),
            is_planned: true,
        })
    };
    let init = spec.init_containers.iter().flatten().map(|container: &Container| {
        let is_sidecar = container.restart_policy.as_deref() == Some("Always");
        let kind = if is_sidecar { ContainerKind::Sidecar } else { ContainerKind::Init };
        wish(&container.name, kind, container.image.as_ref())
    });
    let ordinary = spec
        .containers
        .iter()
        .map(|container| wish(&container.name, ContainerKind::Container, container.image.as_ref()));
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|container: &EphemeralContainer| {
        wish(&container.name, ContainerKind::Ephemeral, container.image.as_ref())
    });
    init.chain(ordinary).chain(ephemeral).flatten().collect()
}

/// What makes the pod again when it is deleted; a ReplicaSet's Deployment rather than itself.
fn controller(pod: &Pod) -> Option<String> {
    let owner = owner(pod)?;
    let hash = pod.metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
    Some(match (owner.kind.as_str(), deployment) {
        ("ReplicaSet", Some(deployment)) => format!("Deployment/{deployment}"),
        (kind, _) => format!("{kind}/{}", owner.name),
    })
}

/// How often the kubelet has tried, and its last words, from its events: by pod and image.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<(String, String), (Attempts, String)>);

impl Failures {
    pub(super) fn take(&mut self, event: &Event) {
        let Some(message) = &event.message else { return };
        let Some((image, rest)) = message.strip_prefix("Failed to pull image \"").and_then(|rest| rest.split_once('"'))
        else {
            return;
        };
        let series = event.series.as_ref();
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        let observed = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
        let at = event.event_time.as_ref().map(|time| time.0);
        let Some(last) = last.or(observed).or(at) else { return };
        let count = event.count.or_else(|| series?.count).unwrap_or(1).max(1).unsigned_abs();
        let key = (event.involved_object.uid.clone().unwrap_or_default(), image.to_owned());
        let words = rest.trim_start_matches(':').trim().to_owned();
        let (attempts, said) = self.0.entry(key).or_insert((Attempts { count: 0, last }, String::new()));
        attempts.count += count;
        if last >= attempts.last {
            attempts.last = last;
            *said = words;
        }
    }

    /// Adds to a complaint what its status leaves out.
    pub(super) fn complete(&self, wish: &mut Wish) {
        let Some(complaint) = &mut wish.complaint else { return };
        let Some((attempts, words)) = self.0.get(&(wish.uid.clone(), wish.image.clone())) else { return };
        complaint.attempts = Some(*attempts);
        if complaint.message.is_empty() || complaint.message == format!("Back-off pulling image \"{}\"", wish.image) {
            complaint.message.clone_from(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: &serde_json::Value) -> Pod {
        let pod = json!({
            "metadata": {"name": "web-5d4-x", "namespace": "a", "uid": "u", "labels": {"pod-template-hash": "5d4"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "r", "controller": true}]},
            "spec": {"nodeName": "n", "initContainers": [{"name": "i", "image": "i:1"}, {"name": "s", "image": "s:1", "restartPolicy": "Always"}],
                "containers": [{"name": "c", "image": "c:1"}], "ephemeralContainers": [{"name": "e", "image": "e:1"}]},
            "status": status,
        });
        serde_json::from_value(pod).expect("a pod")
    }

    fn waits(name: &str, reason: &str) -> serde_json::Value {
        json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}})
    }

    #[test]
    fn all_kinds_of_containers_are_looked_at() {
        let mut sorted = Sorted::default();
        sorted.take(&pod(&json!({
            "initContainerStatuses": [waits("i", "ErrImagePull"), waits("s", "ImagePullBackOff")],
            "containerStatuses": [waits("c", "illegal base64 data at input byte 3")],
            "ephemeralContainerStatuses": [waits("e", "InvalidImageName")],
        })));
        let kinds: Vec<_> = sorted.failing.iter().map(|wish| wish.subject.kind).collect();
        use ContainerKind::{Container, Ephemeral, Init, Sidecar};
        assert_eq!(kinds, [Init, Sidecar, Container, Ephemeral]);
        assert_eq!(sorted.failing[0].subject.controller.as_deref(), Some("Deployment/web"));
    }

    #[test]
    fn pods_that_wait_for_something_else_are_told_apart() {
        let mut sorted = Sorted::default();
        sorted.take(&pod(&json!({"containerStatuses": [waits("c", "CrashLoopBackOff")]})));
        let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"});
        sorted.take(&pod(&json!({"conditions": [unscheduled]})));
        assert!(sorted.failing.is_empty());
        let reasons: Vec<_> = sorted.waiting.iter().map(|waiting| waiting.reason.as_str()).collect();
        assert_eq!(reasons, ["CrashLoopBackOff", "Unschedulable"]);
    }

    #[test]
    fn events_tell_what_the_status_leaves_out() {
        let event = json!({
            "metadata": {}, "involvedObject": {"uid": "u"}, "count": 3, "lastTimestamp": "2026-01-01T00:00:00Z",
            "message": "Failed to pull image \"c:1\": rpc error: not found",
        });
        let mut failures = Failures::default();
        failures.take(&serde_json::from_value(event).expect("an event"));
        let mut sorted = Sorted::default();
        sorted.take(&pod(&json!({"containerStatuses": [waits("c", "ImagePullBackOff")]})));
        failures.complete(&mut sorted.failing[0]);
        let complaint = sorted.failing[0].complaint.as_ref().expect("a complaint");
        assert_eq!(complaint.message, "rpc error: not found");
        assert_eq!(complaint.attempts.map(|attempts| attempts.count), Some(3));
    }
}
