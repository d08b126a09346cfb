//! Events at the API server.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::events::Own;
use crate::events::notice::{Notice, Object};
use crate::events::own::reference;
use crate::pulls::recovery::Controller;

const CONTROLLER: &str = "pullmint";

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

const FORBIDDEN: &str = "grant create and patch of events as `pullmint rbac` prints them";

/// The longest name of an object, and the longest instance that an Event takes.
const LONGEST_NAME: usize = 253;
const LONGEST_INSTANCE: usize = 128;

/// Why an Event was not told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// There is no Event of that name.
    Gone,
    /// It is in the log.
    Failed,
}

/// Where Events are sent.
pub(super) struct Post {
    client: Client,
    instance: String,
    /// Whether the log has told that it is not allowed.
    complained: bool,
}

impl Post {
    pub(super) fn new(client: Client, mut instance: String) -> Self {
        instance.truncate(instance.floor_char_boundary(LONGEST_INSTANCE));
        Self { client, instance, complained: false }
    }

    /// Makes an Event, and tells its name.
    pub(super) async fn new_event(&mut self, notice: &Notice, own: &Own, now: Timestamp) -> Option<String> {
        let regarding = regarding(&notice.object, own);
        let name = name(regarding.name.as_deref().unwrap_or_default(), now);
        let namespace = regarding.namespace.clone().unwrap_or_default();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some(notice.action.to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(notice.note.clone()),
            reason: Some(notice.reason.to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        };
        let api = Api::<Event>::namespaced(self.client.clone(), &namespace);
        self.send(notice, api.create(&PostParams::default(), &event)).await.ok().map(|()| name)
    }

    /// Shows on an Event that it has occurred so often by now.
    pub(super) async fn again(
        &mut self,
        notice: &Notice,
        own: &Own,
        name: &str,
        count: i32,
        now: Timestamp,
    ) -> Result<(), Setback> {
        let namespace = regarding(&notice.object, own).namespace.unwrap_or_default();
        let api = Api::<Event>::namespaced(self.client.clone(), &namespace);
        let patch = json!({ "series": EventSeries { count, last_observed_time: MicroTime(now) } });
        self.send(notice, api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))).await
    }

    /// An Event that does not arrive is a loss, but nothing waits for it: one line in the log.
    async fn send(&mut self, notice: &Notice, call: impl Future<Output = kube::Result<Event>>) -> Result<(), Setback> {
        let reason = notice.reason;
        match timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(_)) => {
                self.complained = false;
                return Ok(());
            }
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => return Err(Setback::Gone),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() && !self.complained => {
                self.complained = true;
                warn!(reason, error = %status.message, remedy = FORBIDDEN, "may not tell an event");
            }
            Ok(Err(error)) => debug!(reason, %error, "could not tell an event"),
            Err(_) => debug!(reason, "no answer when telling an event"),
        }
        Err(Setback::Failed)
    }
}

fn regarding(object: &Object, own: &Own) -> ObjectReference {
    match object {
        Object::Own => own.object.clone(),
        Object::Pod(pod) => reference("Pod", &pod.namespace, pod.name.clone(), Some(pod.uid.clone())),
        Object::Secret { namespace, name, uid } => reference("Secret", namespace, name.clone(), uid.clone()),
        Object::Controller { namespace, controller: Controller { api_version, kind, name, uid } } => ObjectReference {
            api_version: Some(api_version.clone()),
            ..reference(kind, namespace, name.clone(), Some(uid.clone()))
        },
    }
}

/// The object's name and the time, as is the custom.
fn name(object: &str, now: Timestamp) -> String {
    let time = format!(".{:x}", now.as_nanosecond());
    // Names are ASCII.
    let head = object.get(..LONGEST_NAME - time.len()).unwrap_or(object);
    format!("{}{time}", head.trim_end_matches(['.', '-']))
}
