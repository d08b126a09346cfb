//! The Lease at the API server: looked at, watched, and written only as the version that was seen.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::leader::NAME;
use crate::leader::election::Record;

const FIELD_MANAGER: &str = "pullmint";

/// Makes the Lease, and owns none of its fields.
const MAKER: &str = "pullmint-maker";

/// What the watch shows, until it ends.
pub(super) type Sightings = BoxStream<'static, Result<Option<Record>, Trouble>>;

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The Lease has another version by now, or is gone.
    Outdated,
    /// RBAC forbids it.
    Forbidden(String),
    /// No answer, or a useless one.
    Failed(String),
}

/// The Lease of one namespace, for one participant.
pub(super) struct LeaseObject {
    api: Api<Lease>,
    me: String,
    length: Duration,
}

impl LeaseObject {
    pub(super) fn new(client: Client, namespace: &str, me: String, length: Duration) -> Self {
        Self { api: Api::namespaced(client, namespace), me, length }
    }

    /// The Lease as it is; `None`: there is none.
    pub(super) async fn look(&self) -> Result<Option<Record>, Trouble> {
        Ok(self.api.get_opt(NAME).await?.map(|lease| self.record(lease)))
    }

    /// Makes a Lease that nobody holds; one that is there already stays as it is. Only an apply can be allowed for this
    /// very name.
    pub(super) async fn create(&self) -> Result<Record, Trouble> {
        let empty = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": NAME } });
        let made = self.api.patch(NAME, &PatchParams::apply(MAKER), &Patch::Apply(&empty)).await?;
        Ok(self.record(made))
    }

    /// Becomes its holder.
    pub(super) async fn take(&self, seen: &Record, now: Timestamp) -> Result<Record, Trouble> {
        let transitions = if seen.holder.as_ref() == Some(&self.me) { 0 } else { 1 };
        let spec = LeaseSpec {
            acquire_time: Some(MicroTime(now)),
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(i32::try_from(self.length.as_secs()).unwrap_or(i32::MAX).max(1)),
            lease_transitions: Some(seen.transitions.saturating_add(transitions)),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        };
        self.write(seen, spec).await
    }

    /// Shows that its holder lives.
    pub(super) async fn renew(&self, seen: &Record, now: Timestamp) -> Result<Record, Trouble> {
        self.write(seen, LeaseSpec { renew_time: Some(MicroTime(now)), ..LeaseSpec::default() }).await
    }

    /// Makes it nobody's, if it is ours. Tells whether it was.
    pub(super) async fn give_back(&self, now: Timestamp) -> Result<bool, Trouble> {
        let seen = self.look().await?.filter(|record| record.holder.as_ref() == Some(&self.me));
        let Some(seen) = seen else { return Ok(false) };
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        };
        self.write(&seen, spec).await.map(|_| true)
    }

    /// What happens to it after this version. The first trouble, or an end, is to be taken as its last word.
    pub(super) fn watch(&self, version: &str) -> Sightings {
        let (api, version, length) = (self.api.clone(), version.to_owned(), self.length);
        // Without bookmarks: a holder that lives is sign of life enough.
        let params = WatchParams::default().fields(&format!("metadata.name={NAME}")).disable_bookmarks();
        let events = stream::once(async move { api.watch(&params, &version).await.map(StreamExt::boxed) });
        let seen = move |event| match event {
            WatchEvent::Added(lease) | WatchEvent::Modified(lease) => Ok(Some(record(lease, length))),
            WatchEvent::Deleted(_) => Ok(None),
            WatchEvent::Bookmark(_) => Err(Trouble::Failed("a bookmark that nobody asked for".to_owned())),
            WatchEvent::Error(status) => Err(kube::Error::Api(status).into()),
        };
        events.try_flatten().map(move |event| event.map_err(Trouble::from).and_then(seen)).boxed()
    }

    /// A merge that holds on to a version, so that of two who try one is refused.
    async fn write(&self, seen: &Record, spec: LeaseSpec) -> Result<Record, Trouble> {
        let lease = Lease {
            metadata: ObjectMeta { resource_version: Some(seen.version.clone()), ..ObjectMeta::default() },
            spec: Some(spec),
        };
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match self.api.patch(NAME, &params, &Patch::Merge(&lease)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Err(Trouble::Outdated),
            written => Ok(self.record(written?)),
        }
    }

    fn record(&self, lease: Lease) -> Record {
        record(lease, self.length)
    }
}

/// `length` is for a Lease that names none.
fn record(lease: Lease, length: Duration) -> Record {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        version: lease.metadata.resource_version.unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        length: seconds.map_or(length, Duration::from_secs),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 409 => Self::Outdated,
            kube::Error::Api(status) if status.is_forbidden() => Self::Forbidden(status.message.clone()),
            error => Self::Failed(error.to_string()),
        }
    }
}
