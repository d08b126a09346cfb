//! The whole truth at one instant, without a secret: what `/status.json` shows, and what the page and the gauges among
//! the metrics are made of.
//!
//! Plain values. They are put together where all their sources are at hand; nothing here asks anybody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::provider::Reason;
use crate::pulse::Trouble;
use crate::registry::{Host, RegistryName};

/// Everything that can be told. There is no field for a password, and no text that could hold one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// pullmint's version.
    pub version: &'static str,
    /// pullmint's own namespace.
    pub namespace: String,
    /// This process: the Pod's name, or the machine's.
    pub instance: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The instant of this status.
    pub now: Timestamp,
    /// Who leads.
    pub leadership: LeadershipStatus,
    /// The configuration in force.
    pub configuration: ConfigurationStatus,
    /// One per registry, in the order of their names.
    pub registries: Vec<RegistryStatus>,
    /// One per Secret name, in their order.
    pub secrets: Vec<SecretStatus>,
    /// One per ServiceAccount name, in their order.
    pub service_accounts: Vec<ServiceAccountStatus>,
    /// The namespaces that get Secrets, those with problems first; see [`NAMESPACES_SHOWN`].
    pub namespaces: Vec<NamespaceStatus>,
    /// How many namespaces get Secrets, shown or not.
    pub namespaces_total: usize,
    /// How many of them have a problem, shown or not.
    pub namespaces_troubled: usize,
    /// Images that do not pull; `null` where this process does not look for them.
    pub pull_failures: Option<PullFailuresStatus>,
    /// Whether every watch has listed its objects, or is refused, and every object has been looked at.
    pub settled: bool,
    /// Whether every watch has listed its objects once, or is refused: a standby is then ready to take over.
    pub watches_listed: bool,
    /// Whether this process, before it led, stood by for another and was ready to take over: it stays ready then.
    pub stood_ready: bool,
    /// When every object had been looked at for the first time: any other leader is ready from then on.
    pub first_pass_at: Option<Timestamp>,
    /// Objects still to be looked at.
    pub queued: usize,
    /// Every loop and watch, with its last sign of life.
    pub loops: Vec<LoopStatus>,
}

/// A status of ten thousand namespaces would serve nobody: it has so many at most, those with problems before others.
pub const NAMESPACES_SHOWN: usize = 200;

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadershipStatus {
    /// This process's part.
    pub role: Role,
    /// Who holds the lease, as far as known.
    pub holder: Option<String>,
    /// Since when this process leads, or the other one is known to.
    pub since: Option<Timestamp>,
}

/// This process's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It mints and writes.
    Leader,
    /// It watches, and takes over when the leader falls silent.
    Standby,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStatus {
    /// When the configuration in force was loaded.
    pub loaded_at: Timestamp,
    /// When the directory was last read with another content than before, well-formed or not.
    pub read_at: Timestamp,
    /// What is wrong with the files as they are now. Empty: they are in force.
    pub problems: Vec<ConfigurationProblem>,
}

/// One thing that is wrong with a file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationProblem {
    /// The file.
    pub file: String,
    /// Counted from 1; none if the whole file is meant.
    pub line: Option<usize>,
    /// Counted from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// One registry's credential.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// Its name.
    pub name: RegistryName,
    /// `ecr`, `ecr-public`, `acr` or `docker-hub`.
    pub provider: &'static str,
    /// The hosts that the credential opens.
    pub hosts: Vec<Host>,
    /// The Secret that it stands in.
    pub secret: String,
    /// The credential in force.
    pub credential: Option<CredentialStatus>,
    /// What has gone wrong since the last success.
    pub failure: Option<FailureStatus>,
    /// When the next mint is due.
    pub next_renewal_at: Option<Timestamp>,
    /// Whether that is only a look at a file, which may bring nothing new.
    pub polled: bool,
    /// The attempts of the last 24 hours, the oldest first.
    pub attempts: Vec<AttemptStatus>,
    /// What the registry said of its pull limit, where it has one.
    pub rate_limit: Option<RateLimitStatus>,
}

/// A credential in force, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// A short name for this very password, as in the logs.
    pub fingerprint: String,
    /// When it was minted.
    pub issued_at: Timestamp,
    /// When it expires; `null`: never by itself.
    pub expires_at: Option<Timestamp>,
    /// What the registry said of it: `accepted`, `doubtful`, `refused` or `skipped`.
    pub verification: &'static str,
    /// When the registry was last asked.
    pub verified_at: Option<Timestamp>,
}

/// The attempts that have failed since the last success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// The latest one's kind.
    pub reason: Reason,
    /// The latest one in words.
    pub message: String,
    /// What a person can do.
    pub remedy: String,
    /// How many there have been in a row.
    pub consecutive: u32,
    /// When the first of them happened.
    pub since: Timestamp,
}

/// One attempt to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed; `null`: it did not.
    pub reason: Option<Reason>,
}

/// A registry's pull limit, as its headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitStatus {
    /// Pulls allowed in a window.
    pub limit: u64,
    /// Pulls left in this one.
    pub remaining: u64,
    /// The window, in seconds.
    pub window_seconds: u64,
    /// When the registry said so.
    pub at: Timestamp,
}

/// All copies of one Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Its name.
    pub name: String,
    /// The registries whose credentials belong into it.
    pub registries: Vec<RegistryName>,
    /// How its copies stand.
    #[serde(flatten)]
    pub copies: Counts,
    /// The earliest expiry that any copy has at the API server; `null`: none expires, or there is none.
    pub lowest_expires_at: Option<Timestamp>,
    /// Of each copy in sync the API server has confirmed its last write; the oldest of these instants.
    pub last_synced_at: Option<Timestamp>,
}

/// All ServiceAccounts of one name that name a Secret, or should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountStatus {
    /// Its name.
    pub name: String,
    /// How they stand.
    #[serde(flatten)]
    pub copies: Counts,
}

/// Objects of one name, counted by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Those that are as they should be.
    pub in_sync: usize,
    /// Those that wait for a credential.
    pub waiting: usize,
    /// Those that belong to somebody else.
    pub refused: usize,
    /// Those whose last write failed.
    pub failing: usize,
    /// Those that should be gone, and may not be removed.
    pub left_over: usize,
}

impl Counts {
    /// How many stand so.
    #[must_use]
    pub const fn of(&self, state: CopyState) -> usize {
        match state {
            CopyState::InSync => self.in_sync,
            CopyState::Waiting => self.waiting,
            CopyState::Refused => self.refused,
            CopyState::Failing => self.failing,
            CopyState::LeftOver => self.left_over,
        }
    }

    /// One more stands so.
    pub const fn add(&mut self, state: CopyState) {
        match state {
            CopyState::InSync => self.in_sync += 1,
            CopyState::Waiting => self.waiting += 1,
            CopyState::Refused => self.refused += 1,
            CopyState::Failing => self.failing += 1,
            CopyState::LeftOver => self.left_over += 1,
        }
    }

    /// How many there should be.
    #[must_use]
    pub const fn wanted(&self) -> usize {
        self.in_sync + self.waiting + self.refused + self.failing
    }
}

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceStatus {
    /// Its name.
    pub name: String,
    /// Its Secrets, in the order of their names.
    pub secrets: Vec<CopyStatus>,
    /// Its ServiceAccounts that name a Secret, or should, in the order of their names.
    pub service_accounts: Vec<CopyStatus>,
}

/// One Secret or ServiceAccount in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: CopyState,
    /// When the first credential in it expires, as the API server last showed it; of a ServiceAccount always `null`.
    pub expires_at: Option<Timestamp>,
    /// Why it is not as it should be, and what to do.
    pub problem: Option<String>,
}

/// How a Secret or ServiceAccount in a namespace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// As it should be.
    InSync,
    /// Not yet written: a credential is missing, or a living entry would be lost.
    Waiting,
    /// Somebody else's, and left to them.
    Refused,
    /// The last write failed; it is tried again.
    Failing,
    /// Nothing in the configuration names it any more, and it may not be removed.
    LeftOver,
}

impl CopyState {
    /// All of them, for labels that exist from the start.
    pub const ALL: [Self; 5] = [Self::InSync, Self::Waiting, Self::Refused, Self::Failing, Self::LeftOver];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::LeftOver => "left_over",
        }
    }
}

/// Images of Pending pods that do not pull.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PullFailuresStatus {
    /// Containers that do not get their image, by the code of the cause.
    pub counts: BTreeMap<String, usize>,
    /// Those that are still to be looked into, and those that are too many to be.
    pub unexplained: usize,
    /// The causes, those of most pods first; the first fifty.
    pub causes: Vec<PullCauseStatus>,
    /// How many causes there are, shown or not.
    pub causes_total: usize,
}

/// One cause, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PullCauseStatus {
    /// Its stable code, explained in docs/findings.
    pub code: String,
    /// The cause in one sentence.
    pub sentence: String,
    /// How sure it is: `certain`, `likely` or `possible`.
    pub certainty: &'static str,
    /// What to do, in words.
    pub cure: String,
    /// The same as one command, where there is one.
    pub command: Option<String>,
    /// Namespaces with such pods.
    pub namespaces: usize,
    /// Pods.
    pub pods: usize,
    /// The first of them, as `namespace/pod`.
    pub first_pods: Vec<String>,
    /// Since when the first of them has been seen.
    pub since: Timestamp,
}

/// A loop or a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopStatus {
    /// `syncer`, `watch secrets pullmint-ecr`.
    pub name: String,
    /// Its last sign of life.
    pub last_beat_at: Timestamp,
    /// How long it has been silent, whatever has been done to the clock meanwhile.
    pub silent_seconds: u64,
    /// The longest silence that is still a sign of health, in seconds.
    pub limit_seconds: u64,
    /// Of a watch: why it shows nothing although it lives; no restart mends that.
    pub problem: Option<Trouble>,
}
