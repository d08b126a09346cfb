//! pullmint's own object, which its Events about itself stand at.

use k8s_openapi::api::core::v1::ObjectReference;

use crate::state;

/// Who tells, and the object at which it tells of itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// This process: the Pod's name, or the machine's.
    pub instance: String,
    pub(super) object: ObjectReference,
}

impl Own {
    /// The Pod of that name and identity in pullmint's namespace; where pullmint runs in none, its state Secret.
    #[must_use]
    pub fn new(namespace: &str, instance: &str, pod: Option<(String, String)>) -> Self {
        let (kind, name, uid) = match pod {
            Some((name, uid)) => ("Pod", name, Some(uid)),
            None => ("Secret", state::NAME.to_owned(), None),
        };
        Self { instance: instance.to_owned(), object: reference(kind, namespace, name, uid) }
    }

    /// The same, with the Pod that `POD_NAME` and `POD_UID` name, as a manifest sets them from the Pod's own fields.
    #[must_use]
    pub fn of_process(namespace: &str, instance: &str) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::new(namespace, instance, set("POD_NAME").zip(set("POD_UID")))
    }
}

pub(super) fn reference(kind: &str, namespace: &str, name: String, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name),
        uid,
        ..ObjectReference::default()
    }
}
