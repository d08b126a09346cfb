//! What a syncer has counted and measured, as a scrape shows it.

use jiff::Timestamp;
use pullmint::status::{ConfigurationStatus, LeadershipStatus, Role, Status};

use crate::bed::Running;

impl Running {
    /// How often something has been measured.
    pub(crate) fn measured(&self, histogram: &str) -> u64 {
        self.count(&format!("pullmint_{histogram}_seconds_count"))
    }

    /// How many writes somebody was in the way of, for this reason.
    pub(crate) fn conflicts(&self, reason: &str) -> u64 {
        self.count(&format!("pullmint_conflicts_total{{reason=\"{reason}\"}}"))
    }

    /// How often the API server has asked for patience.
    pub(crate) fn throttled(&self) -> u64 {
        self.count("pullmint_api_throttled_total")
    }

    fn count(&self, series: &str) -> u64 {
        let text = self.metrics.encode(&nothing());
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} "))).expect("a series");
        line.parse().expect("a number")
    }
}

/// The status of one that knows of nothing.
fn nothing() -> Status {
    let now = Timestamp::UNIX_EPOCH;
    Status {
        version: "",
        namespace: String::new(),
        instance: String::new(),
        started_at: now,
        now,
        leadership: LeadershipStatus { role: Role::Standby, holder: None, since: None },
        configuration: ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() },
        registries: Vec::new(),
        secrets: Vec::new(),
        service_accounts: Vec::new(),
        namespaces: Vec::new(),
        namespaces_total: 0,
        namespaces_troubled: 0,
        pull_failures: None,
        settled: false,
        watches_listed: false,
        stood_ready: false,
        first_pass_at: None,
        queued: 0,
        loops: Vec::new(),
    }
}
