//! What is known of the images that do not pull, for whoever tells of it or acts on it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::why::finding::Finding;

/// Where it is read; `None` while nobody looks, because it is not configured or because another process leads.
pub type Shown = watch::Receiver<Option<Arc<Failures>>>;

/// All that is known at one instant.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// Those whose cause was looked for, in the order of their pods' UIDs.
    pub explained: Vec<Arc<Failure>>,
    /// Those that are still to be looked into, and those that are too many to be.
    pub unexplained: usize,
}

/// A container of a Pending pod that does not get its image.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its pod.
    pub pod: Pod,
    /// What recreates the pod when it is deleted.
    pub owner: Option<Owner>,
    /// The container.
    pub container: String,
    /// The image, as it is written.
    pub image: String,
    /// The pull Secrets that the pod names.
    pub pull_secrets: Vec<String>,
    /// Whether any of the pod's containers runs, or has run.
    pub has_run: bool,
    /// When it was first seen.
    pub since: Timestamp,
    /// The cause.
    pub diagnosis: Diagnosis,
}

/// What was found out, and when.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The latest finding. It is [`Code::MENDED`](crate::why::catalogue::Code::MENDED) once the image could be pulled.
    pub finding: Arc<Finding>,
    /// The latest finding of a cause: what it was before it was mended.
    pub cause: Option<Arc<Finding>>,
    /// When the latest finding was made.
    pub at: Timestamp,
}

/// One pod, and no other of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
}

/// The controller of a pod, as its reference names it: a ReplicaSet rather than the Deployment above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}
