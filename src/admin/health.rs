//! Whether this process is alive, and whether it is ready: decided by its status alone.

use std::time::Duration;

use crate::status::{LoopStatus, RegistryStatus, Role, Status};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `loop syncer`, `renewal ecr`.
    pub name: String,
    /// Why it is not as it should be.
    pub failure: Option<String>,
}

/// A keeper may be in the middle of an attempt when a renewal is due; so long none takes.
pub const LATE_RENEWAL: Duration = Duration::from_secs(120);

/// Whether every loop still turns, and the leader renews when it said it would. Where not, only a restart may help.
///
/// What a restart cannot mend, such as a cloud that says no, is no matter of life: the renewal is then tried in time.
#[must_use]
pub fn live(status: &Status) -> Vec<Check> {
    let loops = status.loops.iter().map(|it| Check { name: format!("loop {}", it.name), failure: silence(it) });
    let renewals = status
        .registries
        .iter()
        .map(|registry| Check { name: format!("renewal {}", registry.name), failure: lateness(registry, status) });
    loops.chain(renewals).collect()
}

/// Whether the leader has looked at everything once, or a standby sees all that it needs to take over. One that takes over
/// stays ready: everything is in place already, and a rollout would wait for no reason.
#[must_use]
pub fn ready(status: &Status) -> Vec<Check> {
    let (name, is_ready, otherwise) = match status.leadership.role {
        Role::Leader => {
            let left = format!("the first pass is not over, {} objects are still to be looked at", status.queued);
            ("first pass", status.first_pass_at.is_some() || status.stood_ready, left)
        }
        Role::Standby => ("watches", status.watches_listed, "not every watch has listed its objects yet".to_owned()),
    };
    vec![Check { name: name.to_owned(), failure: (!is_ready).then_some(otherwise) }]
}

/// The loop's failure, if it has been silent for too long.
pub(super) fn silence(it: &LoopStatus) -> Option<String> {
    let (silence, limit) = (it.silent_seconds, it.limit_seconds);
    (silence > limit).then(|| format!("silent for {silence} s, longer than {limit} s"))
}

/// The registry's failure, if its renewal is long due and nothing came of it. A standby renews none.
pub(super) fn lateness(registry: &RegistryStatus, status: &Status) -> Option<String> {
    if status.leadership.role == Role::Standby {
        return None;
    }
    let late = Duration::try_from(status.now.duration_since(registry.next_renewal_at?)).unwrap_or_default();
    (late > LATE_RENEWAL).then(|| format!("due {} s ago, and nothing came of it", late.as_secs()))
}

/// `ok`, or a line for each failure.
#[must_use]
pub fn brief(checks: &[Check]) -> String {
    let failures = checks.iter().filter_map(|Check { name, failure }| Some(format!("{name}: {}\n", failure.as_ref()?)));
    let text: String = failures.collect();
    if text.is_empty() { "ok\n".to_owned() } else { text }
}

/// A line for each check, as Kubernetes' own components write them.
#[must_use]
pub fn verbose(endpoint: &str, checks: &[Check]) -> String {
    let line = |Check { name, failure }: &Check| match failure {
        None => format!("[+]{name} ok\n"),
        Some(failure) => format!("[-]{name} failed: {failure}\n"),
    };
    let passed = checks.iter().all(|check| check.failure.is_none());
    let lines: String = checks.iter().map(line).collect();
    format!("{lines}{endpoint} check {}\n", if passed { "passed" } else { "failed" })
}
