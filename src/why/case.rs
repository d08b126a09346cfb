//! One image that a pod wants, and all that the cluster says about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use schemars::JsonSchema;
use serde::Serialize;

use crate::why::answer::Platform;
use crate::why::kept::Kept;
use crate::why::reference::{Invalid, Reference};

/// An image in its pod, or before there is one.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who wants it.
    pub subject: Subject,
    /// The image as it is written.
    pub image: String,
    /// The image as it is read.
    pub reference: Result<Reference, Invalid>,
    /// What the kubelet says. `None`: nobody has tried to pull it.
    pub complaint: Option<Complaint>,
    /// Which credentials the pod has, and which it could have.
    pub wiring: Arc<Wiring>,
    /// What its node runs.
    pub platform: Option<Platform>,
    /// Its node says that the disk is full.
    pub is_disk_full: bool,
    /// Nodes on which the same image runs.
    pub runs_on: Vec<String>,
    /// What pullmint says of the Secrets that it keeps.
    pub kept: Arc<Kept>,
}

/// Who wants an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The namespace.
    pub namespace: String,
    /// The pod; in a manifest, what would make one (`Deployment/web`).
    pub pod: String,
    /// The container.
    pub container: String,
    /// What kind of container.
    pub kind: ContainerKind,
    /// What recreates the pod when it is deleted (`ReplicaSet/web-5d4`).
    pub controller: Option<String>,
    /// The node that tries to pull it.
    pub node: Option<String>,
}

/// What kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerKind {
    /// Runs before the others.
    Init,
    /// An init container that keeps running.
    Sidecar,
    /// An ordinary one.
    Container,
    /// Added to a running pod, to debug it.
    Ephemeral,
}

impl fmt::Display for ContainerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init container",
            Self::Sidecar => "sidecar",
            Self::Container => "container",
            Self::Ephemeral => "ephemeral container",
        })
    }
}

/// What the kubelet says of a failed pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// `ErrImagePull`, `ImagePullBackOff`, …
    pub reason: String,
    /// Its own words and the runtime's.
    pub message: String,
    /// How often it has tried, and when last, where events tell.
    pub attempts: Option<Attempts>,
}

/// How often the kubelet has tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// So often.
    pub count: u32,
    /// The end of the last one.
    pub last: Timestamp,
}

/// The pull Secrets around a pod.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// Those that the pod names, in its order: what the kubelet uses.
    pub wanted: Vec<Wanted>,
    /// The pod's ServiceAccount.
    pub account: String,
    /// Those that the ServiceAccount names by now; `None`: it could not be read.
    pub account_secrets: Option<Vec<String>>,
    /// All pull Secrets of the namespace, by name, as far as they could be listed.
    pub present: BTreeMap<String, Arc<Secret>>,
    /// Where Secrets of these names are kept by pullmint.
    pub managed: Arc<BTreeMap<String, Vec<String>>>,
}

/// A pull Secret that a pod names.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub state: State,
}

/// Whether a pull Secret is there.
#[derive(Clone, Debug)]
pub enum State {
    /// It is.
    Present(Arc<Secret>),
    /// It is not.
    Missing,
    /// Whoever asks may not read it: why.
    Unreadable(String),
}

impl Wiring {
    /// The Secrets that the kubelet has.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.wanted.iter().filter_map(|wanted| match &wanted.state {
            State::Present(secret) => Some(secret.as_ref()),
            State::Missing | State::Unreadable(_) => None,
        })
    }

    /// A Secret that could not be read, so that nothing is sure about credentials.
    #[must_use]
    pub fn unreadable(&self) -> Option<(&str, &str)> {
        self.wanted.iter().find_map(|wanted| match &wanted.state {
            State::Unreadable(why) => Some((wanted.name.as_str(), why.as_str())),
            State::Missing | State::Present(_) => None,
        })
    }

    /// Whether the pod names this Secret.
    #[must_use]
    pub fn names(&self, secret: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted.name == secret)
    }
}
