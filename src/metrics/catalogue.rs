//! Every family of metrics, described once. What is registered, what the HELP lines say and `docs/metrics.md` are all
//! made of this.

use prometheus_client::registry::{Metric, Registry, Unit};

use crate::provider::Reason;
use crate::pulse::TroubleReason;
use crate::status::CopyState;

/// A family: one name, one meaning, one series per set of label values.
#[derive(Debug)]
pub struct Family {
    /// As queries name it.
    pub name: &'static str,
    /// What its numbers are.
    pub kind: Kind,
    /// What its series are told apart by.
    pub labels: &'static [Label],
    /// One sentence, without its full stop.
    pub help: &'static str,
}

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// The present state.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Always 1; the labels tell.
    Info,
}

/// A label, with all values that it can have.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a label. Nothing else is possible, so the number of series is known beforehand.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Values {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One per such thing.
    Each(&'static str),
}

/// Families that belong together.
#[derive(Debug)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// Its families.
    pub families: &'static [&'static Family],
}

/// The label values of a mint that succeeded and of those that failed.
pub(super) const OUTCOMES: [&str; 6] = [
    SUCCESS,
    Reason::ALL[0].as_str(),
    Reason::ALL[1].as_str(),
    Reason::ALL[2].as_str(),
    Reason::ALL[3].as_str(),
    Reason::ALL[4].as_str(),
];

/// A mint that succeeded.
pub(super) const SUCCESS: &str = "success";

/// What a registry says of a credential.
pub const VERIFICATIONS: [&str; 3] = ["accepted", "refused", "doubtful"];

/// What can be decided about a Secret.
pub const VERDICTS: [&str; 11] =
    ["create", "adopted", "changed", "drifted", "rotated", "unconfirmed", "delete", "keep", "refuse", "wait", "leave"];

/// What can be in a write's way.
pub const CONFLICTS: [&str; 5] = ["foreign", "field_manager", "outdated", "unchangeable", "forbidden"];

/// What can keep an image from being pulled; a test holds that these are the codes of all findings.
pub const CODES: &[&str] = &[
    "PM000", "PM101", "PM102", "PM103", "PM104", "PM105", "PM106", "PM107", "PM201", "PM202", "PM203", "PM204",
    "PM205", "PM206", "PM207", "PM208", "PM209", "PM210", "PM211", "PM301", "PM302", "PM303", "PM304", "PM305",
    "PM306", "PM307", "PM401", "PM402", "PM403", "PM404", "PM405", "PM406", "PM501", "PM502", "PM503", "PM504",
    "PM505", "PM601", "PM602", "PM603", "PM604", "PM605", "PM999",
];

/// How asking to delete a pod can end.
pub const RECOVERIES: [&str; 4] = ["deleted", "conflict", "forbidden", "failed"];

const STATES: [&str; 5] = [
    CopyState::ALL[0].as_str(),
    CopyState::ALL[1].as_str(),
    CopyState::ALL[2].as_str(),
    CopyState::ALL[3].as_str(),
    CopyState::ALL[4].as_str(),
];

const TROUBLES: [&str; 2] = [TroubleReason::ALL[0].as_str(), TroubleReason::ALL[1].as_str()];

const REGISTRY: Label = Label { name: "registry", values: Values::Each("registry") };
const PROVIDER: Label = Label { name: "provider", values: Values::OneOf(&["acr", "docker-hub", "ecr", "ecr-public"]) };
const SECRET: Label = Label { name: "secret", values: Values::Each("Secret name") };
const SERVICE_ACCOUNT: Label = Label { name: "service_account", values: Values::Each("ServiceAccount name") };
const STATE: Label = Label { name: "state", values: Values::OneOf(&STATES) };
const LOOP: Label = Label { name: "loop", values: Values::Each("loop") };
const WATCH: Label = Label { name: "watch", values: Values::Each("watch") };

/// Makes a constant of each family, and the list of them all.
macro_rules! catalogue {
    ($($title:literal { $($constant:ident: $kind:ident $name:literal [$($label:expr),*] $help:literal;)* })*) => {
        $($(
            pub(super) const $constant: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*)*

        /// Every family there is.
        pub const CATALOGUE: &[Group] = &[$(Group { title: $title, families: &[$(&$constant),*] }),*];
    };
}

catalogue! {
    "Credentials" {
        CREDENTIAL_ISSUED: Gauge "pullmint_credential_issued_timestamp_seconds" [REGISTRY, PROVIDER]
            "When the credential in force was minted; 0 while there is none";
        CREDENTIAL_EXPIRY: Gauge "pullmint_credential_expiry_timestamp_seconds" [REGISTRY, PROVIDER]
            "When the credential in force expires; +Inf if never, 0 while there is none";
        CREDENTIAL_NEXT_RENEWAL: Gauge "pullmint_credential_next_renewal_timestamp_seconds" [REGISTRY, PROVIDER]
            "When the next mint is due; 0 while nothing is planned";
        CREDENTIAL_VERIFIED: Gauge "pullmint_credential_verified" [REGISTRY, PROVIDER]
            "1 if the registry has accepted the credential in force; 0 if it has not, or was not asked";
        CREDENTIAL_VERIFIED_AT: Gauge "pullmint_credential_verified_timestamp_seconds" [REGISTRY, PROVIDER]
            "When the registry was last asked about the credential in force; 0 if never";
        MINT_ATTEMPTS: Counter "pullmint_mint_attempts_total"
            [REGISTRY, PROVIDER, Label { name: "outcome", values: Values::OneOf(&OUTCOMES) }]
            "Attempts to renew that have ended, by how they ended";
        MINT_DURATION: Histogram "pullmint_mint_duration_seconds" [REGISTRY, PROVIDER]
            "How long an attempt to renew took, the question to the registry included";
        MINT_CONSECUTIVE_FAILURES: Gauge "pullmint_mint_consecutive_failures" [REGISTRY, PROVIDER]
            "Attempts that have failed since the last success";
        VERIFICATIONS_MADE: Counter "pullmint_verifications_total"
            [REGISTRY, Label { name: "outcome", values: Values::OneOf(&VERIFICATIONS) }]
            "Questions to the registry whether it accepts a credential, by its answer";
        RATE_LIMIT: Gauge "pullmint_registry_rate_limit" [REGISTRY]
            "Pulls that the registry allows in a window; 0 while it has named no limit";
        RATE_LIMIT_REMAINING: Gauge "pullmint_registry_rate_limit_remaining" [REGISTRY]
            "Pulls that are left in the present window; 0 while the registry has named no limit";
    }
    "Secrets" {
        SECRET_EXPIRY: Gauge "pullmint_secret_expiry_timestamp_seconds" [SECRET]
            "The earliest expiry of all copies as the API server shows them; +Inf if none expires, 0 while there is none";
        SECRET_LAST_SYNC: Gauge "pullmint_secret_last_sync_timestamp_seconds" [SECRET]
            "When the API server confirmed the last write of a copy in sync, the oldest of all copies; 0 while there is none";
        SECRETS: Gauge "pullmint_secrets" [SECRET, STATE]
            "Copies of the Secret, one per selected namespace and those that should be gone, by how they stand";
        SERVICE_ACCOUNTS: Gauge "pullmint_service_accounts" [SERVICE_ACCOUNT, STATE]
            "ServiceAccounts that name a Secret or should, one per namespace that has it, by how they stand";
        VERDICTS_REACHED: Counter "pullmint_verdicts_total"
            [Label { name: "verdict", values: Values::OneOf(&VERDICTS) }]
            "Decisions about a copy of a Secret; those to write over it say why";
        CONFLICTS_MET: Counter "pullmint_conflicts_total"
            [Label { name: "reason", values: Values::OneOf(&CONFLICTS) }]
            "Writes that somebody else was in the way of";
        TIME_TO_COVER: Histogram "pullmint_time_to_cover_seconds" []
            "From the first sight of a namespace to each of its Secrets";
        DRIFT_REPAIR: Histogram "pullmint_drift_repair_seconds" []
            "From the sight of a change by somebody else to its repair";
        API_THROTTLED: Counter "pullmint_api_throttled_total" []
            "Answers by which the API server asked for patience";
    }
    "Images that do not pull" {
        PULL_FAILURES: Gauge "pullmint_pull_failures" [Label { name: "code", values: Values::OneOf(CODES) }]
            "Containers of Pending pods whose image does not pull, by the code of the cause; 0 unless the configuration asks to look";
        PULL_FAILURES_UNEXPLAINED: Gauge "pullmint_pull_failures_unexplained" []
            "Those of them that are still to be looked into, or too many to be";
        POD_RECOVERIES: Counter "pullmint_pod_recoveries_total"
            [Label { name: "outcome", values: Values::OneOf(&RECOVERIES) }]
            "Deletions of pods that waited for a credential which is renewed, by how they ended";
    }
    "pullmint itself" {
        LEADER: Gauge "pullmint_leader" []
            "1 if this process mints and writes, 0 if it stands by";
        LOOP_HEARTBEAT: Gauge "pullmint_loop_heartbeat_timestamp_seconds" [LOOP]
            "When the loop last turned";
        LOOP_LIMIT: Gauge "pullmint_loop_heartbeat_limit_seconds" [LOOP]
            "The longest silence of the loop that is still a sign of health";
        WATCH_ACTIVITY: Gauge "pullmint_watch_last_activity_timestamp_seconds" [WATCH]
            "When the API server last said anything on the watch, if only that it refuses it, or was found out of reach";
        WATCH_LIMIT: Gauge "pullmint_watch_activity_limit_seconds" [WATCH]
            "The longest silence of the watch that is still a sign of health";
        WATCH_FAILING: Gauge "pullmint_watch_failing" [WATCH, Label { name: "reason", values: Values::OneOf(&TROUBLES) }]
            "1 while the API server refuses the watch, or is not available for it; 0 while it shows what there is";
        RELOAD_SUCCESSFUL: Gauge "pullmint_config_last_reload_successful" []
            "1 if the configuration as it is on disk is in force, 0 if something is wrong with it";
        RELOAD_SUCCESS_AT: Gauge "pullmint_config_last_reload_success_timestamp_seconds" []
            "When the configuration in force was loaded";
        BUILD: Info "pullmint_build_info" [Label { name: "version", values: Values::Each("version that runs") }]
            "The version that runs";
    }
    "The process" {
        PROCESS_START: Gauge "process_start_time_seconds" []
            "When the process began";
        PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
            "Memory that is held in RAM";
        PROCESS_CPU: Counter "process_cpu_seconds_total" []
            "CPU time spent";
        PROCESS_FDS: Gauge "process_open_fds" []
            "Open files and sockets";
    }
}

/// The labels of one series.
pub(super) type Labels = Vec<(&'static str, String)>;

impl Family {
    /// The unit that the name ends with.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.base().ends_with(&format!("_{unit}")))
    }

    /// The labels of the series with these values, in the order of [`Family::labels`].
    pub(super) fn series(&self, values: &[&str]) -> Labels {
        self.labels.iter().zip(values).map(|(label, value)| (label.name, (*value).to_owned())).collect()
    }

    /// Makes `metric` one of `registry`'s, under this family's name.
    pub(super) fn register(&self, registry: &mut Registry, metric: impl Metric) {
        match self.unit() {
            Some(unit) => {
                let stem = self.base().trim_end_matches(unit).trim_end_matches('_');
                registry.register_with_unit(stem, self.help, Unit::Other(unit.to_owned()), metric);
            }
            None => registry.register(self.base(), self.help, metric),
        }
    }

    /// OpenMetrics declares a family without the suffix that its kind implies.
    fn base(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}
