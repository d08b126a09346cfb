//! What a pod shows of its failed pulls. Of the pod itself nothing else is kept. Pure.

use k8s_openapi::api::core::v1::Pod as PodObject;

use crate::pulls::table::{Owner, Pod};
use crate::why::pods::{self, Wish};

/// Whoever makes a pod chooses these, so they are not kept at any length: no image that could ever be pulled has a
/// longer name, and no kubelet says more that matters.
const LONGEST_IMAGE: usize = 1024;
const LONGEST_MESSAGE: usize = 4096;
const MOST_SECRETS: usize = 32;

/// A pod, as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pod: Pod,
    pub(super) owner: Option<Owner>,
    /// Whether any of its containers runs, or has run.
    pub(super) has_run: bool,
    /// One for each container that does not get its image.
    pub(super) failing: Vec<Wish>,
}

impl Seen {
    pub(super) fn of(object: &PodObject) -> Self {
        let mut failing = pods::failing(object);
        for wish in &mut failing {
            cut(&mut wish.image, LONGEST_IMAGE);
            wish.pull_secrets.truncate(MOST_SECRETS);
            if let Some(complaint) = &mut wish.complaint {
                cut(&mut complaint.message, LONGEST_MESSAGE);
            }
        }
        let owner = pods::owner(object).map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() });
        Self { pod: identity(object), owner, has_run: pods::statuses(object).any(pods::has_run), failing }
    }
}

/// Which pod it is.
pub(super) fn identity(object: &PodObject) -> Pod {
    let metadata = &object.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Pod { namespace: text(&metadata.namespace), name: text(&metadata.name), uid: text(&metadata.uid) }
}

fn cut(text: &mut String, longest: usize) {
    text.truncate(text.floor_char_boundary(longest));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(message: &str, other: &Value) -> Seen {
        let status = |name: &str, state: &Value| json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let waits = json!({"waiting": {"reason": "ErrImagePull", "message": message}});
        let pod = json!({
            "metadata": {"namespace": "shop", "name": "web-5d4-x", "uid": "u", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "r", "controller": true}]},
            "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
            "status": {"containerStatuses": [status("a", &waits), status("b", other)]},
        });
        Seen::of(&serde_json::from_value(pod).expect("a pod"))
    }

    #[test]
    fn a_pod_is_known_by_its_identity_its_controller_and_the_containers_that_fail() {
        let seen = seen("not found", &json!({"waiting": {"reason": "ContainerCreating"}}));
        assert_eq!(seen.pod, Pod { namespace: "shop".into(), name: "web-5d4-x".into(), uid: "u".into() });
        assert_eq!(seen.owner, Some(Owner { kind: "ReplicaSet".into(), name: "web-5d4".into() }));
        let containers: Vec<_> = seen.failing.iter().map(|wish| wish.subject.container.as_str()).collect();
        assert_eq!(containers, ["a"]);
        assert!(!seen.has_run);
    }

    #[test]
    fn a_pod_of_which_a_container_runs_or_has_run_is_told_apart() {
        assert!(seen("", &json!({"running": {}})).has_run);
        assert!(seen("", &json!({"terminated": {"exitCode": 0}})).has_run);
    }

    #[test]
    fn no_message_is_kept_at_any_length() {
        let seen = seen(&"é".repeat(5000), &json!({}));
        assert_eq!(seen.failing[0].complaint.as_ref().expect("a complaint").message.len(), LONGEST_MESSAGE);
    }
}
