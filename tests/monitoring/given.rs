//! The state of a pullmint, made up.

use std::time::Duration;

use jiff::Timestamp;
use pullmint::metrics::Metrics;
use pullmint::provider::Reason;
use pullmint::pulse::{Trouble, TroubleReason};
use pullmint::registry::{Host, RegistryName};
use pullmint::status::{
    ConfigurationProblem, ConfigurationStatus, CopyState, CopyStatus, Counts, CredentialStatus, FailureStatus,
    LeadershipStatus, LoopStatus, NamespaceStatus, PullFailuresStatus, RateLimitStatus, RegistryStatus, Role,
    SecretStatus, ServiceAccountStatus, Status,
};

pub(crate) const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

const HOUR: Duration = Duration::from_secs(3600);

/// All is well: one registry of each kind, everything in sync.
pub(crate) fn healthy(now: Timestamp) -> Status {
    let limited = RateLimitStatus { limit: 200, remaining: 180, window_seconds: 21_600, at: now };
    Status {
        version: "1.2.3",
        namespace: "pullmint".into(),
        instance: "pullmint-0".into(),
        started_at: now - HOUR * 24,
        now,
        leadership: LeadershipStatus { role: Role::Leader, holder: Some("pullmint-0".into()), since: Some(now - HOUR) },
        configuration: ConfigurationStatus { loaded_at: now - HOUR, read_at: now - HOUR, problems: Vec::new() },
        registries: vec![
            registry("acr", "acr", Some(credential(now - HOUR, Some(now + HOUR * 2)))),
            registry("ecr", "ecr", Some(credential(now - HOUR, Some(now + HOUR * 11)))),
            RegistryStatus {
                rate_limit: Some(limited),
                ..registry("hub", "docker-hub", Some(credential(now - HOUR, None)))
            },
        ],
        secrets: vec![
            secret("pullmint-acr", Some(now + HOUR * 2), now),
            secret("pullmint-ecr", Some(now + HOUR * 11), now),
            secret("pullmint-hub", None, now),
        ],
        service_accounts: vec![account("default", FIVE)],
        namespaces: Vec::new(),
        namespaces_total: 5,
        namespaces_troubled: 0,
        pull_failures: None,
        settled: true,
        watches_listed: true,
        stood_ready: false,
        first_pass_at: Some(now - HOUR),
        queued: 0,
        loops: vec![
            heard("daemon", now, 60),
            heard("syncer", now, 60),
            heard("watch namespaces", now, 300),
            heard("watch secrets pullmint-ecr", now, 300),
        ],
    }
}

/// Everything that there is an alert for, but for a leader or metrics that are missing.
pub(crate) fn troubled(now: Timestamp) -> Status {
    let well = healthy(now);
    let nearly_used_up = RateLimitStatus { limit: 200, remaining: 3, window_seconds: 21_600, at: now };
    let problem = ConfigurationProblem {
        file: "ecr.toml".into(),
        line: Some(2),
        column: Some(1),
        message: "unknown key `regon`".into(),
        help: Some("did you mean `region`?".into()),
    };
    let expired = registry("expired", "acr", Some(credential(now - HOUR * 3, Some(now - HOUR))));
    let failing = registry("failing", "ecr", Some(credential(now - HOUR * 11, Some(now + HOUR))));
    let mut registries = well.registries.clone();
    registries.extend([
        RegistryStatus { failure: Some(failure(now)), ..expired },
        RegistryStatus { failure: Some(failure(now)), ..failing },
        registry("missing", "ecr-public", None),
        RegistryStatus {
            rate_limit: Some(nearly_used_up),
            ..registry("used-up", "docker-hub", Some(credential(now - HOUR, None)))
        },
    ]);
    let mut secrets = well.secrets.clone();
    secrets.extend([
        with(Counts { failing: 2, ..FIVE }, secret("pullmint-expired", Some(now - HOUR), now)),
        with(Counts { refused: 1, ..FIVE }, secret("pullmint-foreign", None, now)),
        SecretStatus {
            last_synced_at: None,
            ..with(Counts { waiting: 5, ..Counts::default() }, secret("pullmint-missing", None, now))
        },
    ]);
    Status {
        configuration: ConfigurationStatus { problems: vec![problem], ..well.configuration.clone() },
        registries,
        secrets,
        service_accounts: vec![account("default", Counts { failing: 1, ..FIVE })],
        namespaces: vec![NamespaceStatus {
            name: "team-1".into(),
            secrets: vec![
                copy("pullmint-expired", CopyState::Failing, Some(now - HOUR)),
                copy("pullmint-foreign", CopyState::Refused, None),
            ],
            service_accounts: vec![copy("default", CopyState::Failing, None)],
        }],
        pull_failures: Some(PullFailuresStatus {
            counts: [("PM103".to_owned(), 34), ("PM302".to_owned(), 2)].into(),
            unexplained: 3,
            ..PullFailuresStatus::default()
        }),
        settled: false,
        loops: vec![
            heard("syncer", now - HOUR, 60),
            heard("watch namespaces", now - HOUR, 300),
            LoopStatus { problem: Some(refused()), ..heard("watch secrets pullmint-expired", now, 300) },
        ],
        ..well
    }
}

/// Ready to take over.
pub(crate) fn standing_by(now: Timestamp) -> Status {
    let well = healthy(now);
    Status { leadership: LeadershipStatus { role: Role::Standby, ..well.leadership.clone() }, ..well }
}

pub(crate) fn registry(name: &str, provider: &'static str, credential: Option<CredentialStatus>) -> RegistryStatus {
    let next = credential.as_ref().map(|it| it.issued_at + HOUR * 6);
    RegistryStatus {
        name: RegistryName::new(name),
        provider,
        hosts: vec![Host::docker_hub()],
        secret: format!("pullmint-{name}"),
        credential,
        failure: None,
        next_renewal_at: next,
        polled: false,
        attempts: Vec::new(),
        rate_limit: None,
    }
}

pub(crate) fn credential(issued_at: Timestamp, expires_at: Option<Timestamp>) -> CredentialStatus {
    CredentialStatus {
        fingerprint: "0123abcd".into(),
        issued_at,
        expires_at,
        verification: "accepted",
        verified_at: Some(issued_at),
    }
}

pub(crate) fn secret(name: &str, lowest_expires_at: Option<Timestamp>, now: Timestamp) -> SecretStatus {
    SecretStatus {
        name: name.into(),
        registries: Vec::new(),
        copies: FIVE,
        lowest_expires_at,
        last_synced_at: Some(now - HOUR),
    }
}

/// In each namespace one, and all as they should be.
const FIVE: Counts = Counts { in_sync: 5, waiting: 0, refused: 0, failing: 0, left_over: 0 };

fn with(copies: Counts, secret: SecretStatus) -> SecretStatus {
    SecretStatus { copies, ..secret }
}

fn account(name: &str, copies: Counts) -> ServiceAccountStatus {
    ServiceAccountStatus { name: name.into(), copies }
}

pub(crate) fn heard(name: &str, last_beat_at: Timestamp, limit_seconds: u64) -> LoopStatus {
    LoopStatus { name: name.into(), last_beat_at, silent_seconds: 0, limit_seconds, problem: None }
}

fn refused() -> Trouble {
    Trouble { reason: TroubleReason::Refused, message: "secrets is forbidden".into(), remedy: "grant list and watch" }
}

/// The registries of a status as [`Metrics::set_registries`] wants them.
pub(crate) fn names(status: &Status) -> Vec<(RegistryName, &'static str)> {
    status.registries.iter().map(|one| (one.name.clone(), one.provider)).collect()
}

/// A bit of everything that is counted, but for repairs: too many are an alarm.
pub(crate) fn work(metrics: &Metrics, registries: &[(RegistryName, &'static str)]) {
    for (name, _) in registries {
        metrics.attempted(name, None, Duration::from_millis(300));
        metrics.attempted(name, Some(Reason::Throttled), Duration::from_secs(2));
        metrics.verified(name, "accepted");
    }
    metrics.decided("create");
    metrics.decided("keep");
    metrics.conflicted("foreign");
    metrics.covered(Duration::from_millis(17));
    metrics.throttled();
}

/// Something that somebody else had changed is as it was.
pub(crate) fn repair(metrics: &Metrics) {
    metrics.repaired(Duration::from_millis(11));
}

fn copy(name: &str, state: CopyState, expires_at: Option<Timestamp>) -> CopyStatus {
    CopyStatus { name: name.into(), state, expires_at, problem: Some("somebody is in the way".into()) }
}

fn failure(now: Timestamp) -> FailureStatus {
    FailureStatus {
        reason: Reason::Denied,
        message: "ask for a token".into(),
        remedy: "grant it".into(),
        consecutive: 4,
        since: now - HOUR,
    }
}
