//! Statuses as they come about: all well, some things broken, a standby, a large cluster.

use jiff::{SignedDuration, Timestamp};
use pullmint::provider::Reason;
use pullmint::pulse::{Trouble, TroubleReason};
use pullmint::registry::{Host, RegistryName};
use pullmint::status::{
    AttemptStatus, ConfigurationProblem, ConfigurationStatus, CopyState, CopyStatus, Counts, CredentialStatus,
    FailureStatus, LeadershipStatus, LoopStatus, NamespaceStatus, PullCauseStatus, PullFailuresStatus, RateLimitStatus,
    RegistryStatus, Role, SecretStatus, ServiceAccountStatus, Status,
};

pub(crate) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) fn ago(minutes: i64) -> Timestamp {
    NOW - SignedDuration::from_mins(minutes)
}

pub(crate) fn ahead(minutes: i64) -> Timestamp {
    NOW + SignedDuration::from_mins(minutes)
}

/// Four registries, six namespaces, and nothing to complain of.
pub(crate) fn healthy() -> Status {
    let registries = vec![
        registry("acr", "acr", &["acme.azurecr.io"], 180, 70),
        RegistryStatus {
            rate_limit: Some(RateLimitStatus { limit: 200, remaining: 164, window_seconds: 21_600, at: ago(70) }),
            ..registry("docker-hub", "docker-hub", &["index.docker.io"], 1_440, 400)
        },
        registry("ecr", "ecr", &["123456789012.dkr.ecr.eu-west-1.amazonaws.com"], 720, 110),
        registry("ecr-public", "ecr-public", &["public.ecr.aws"], 720, 340),
    ];
    let secrets = registries.iter().map(secret).collect();
    let mut status = Status {
        version: "0.1.0",
        namespace: "pullmint".to_owned(),
        instance: "pullmint-6d9c7bfd4b-x2k8p".to_owned(),
        started_at: ago(4_567),
        now: NOW,
        leadership: LeadershipStatus {
            role: Role::Leader,
            holder: Some("pullmint-6d9c7bfd4b-x2k8p".to_owned()),
            since: Some(ago(4_566)),
        },
        configuration: ConfigurationStatus { loaded_at: ago(2_000), read_at: ago(2_000), problems: Vec::new() },
        registries,
        secrets,
        service_accounts: vec![ServiceAccountStatus { name: "default".to_owned(), copies: Counts::default() }],
        namespaces: Vec::new(),
        namespaces_total: 0,
        namespaces_troubled: 0,
        pull_failures: None,
        settled: true,
        watches_listed: true,
        stood_ready: false,
        first_pass_at: Some(ago(4_566)),
        queued: 0,
        loops: ["elector", "syncer", "watch namespaces"].map(turning).to_vec(),
    };
    people(&mut status, &["checkout", "default", "ingress", "payments", "search", "web"]);
    status
}

/// A registry whose credential lives so long and is so old, in minutes.
fn registry(name: &str, provider: &'static str, hosts: &[&str], life: i64, age: i64) -> RegistryStatus {
    let renewals = (0..24 * 60).step_by(usize::try_from(life / 2).expect("a life")).map(|minutes| minutes as i64 + age);
    let mut attempts: Vec<_> =
        renewals.filter(|m| *m < 24 * 60).map(|m| AttemptStatus { at: ago(m), reason: None }).collect();
    attempts.reverse();
    RegistryStatus {
        name: RegistryName::new(name),
        provider,
        hosts: hosts.iter().map(|host| host.parse::<Host>().expect("a host")).collect(),
        secret: format!("pullmint-{name}"),
        credential: Some(CredentialStatus {
            fingerprint: "4be1c0de".to_owned(),
            issued_at: ago(age),
            expires_at: Some(ahead(life - age)),
            verification: "accepted",
            verified_at: Some(ago(age)),
        }),
        failure: None,
        next_renewal_at: Some(ahead(life / 2 - age)),
        polled: false,
        attempts,
        rate_limit: None,
    }
}

fn secret(registry: &RegistryStatus) -> SecretStatus {
    let credential = registry.credential.as_ref();
    SecretStatus {
        name: registry.secret.clone(),
        registries: vec![registry.name.clone()],
        copies: Counts::default(),
        lowest_expires_at: credential.and_then(|credential| credential.expires_at),
        last_synced_at: credential.map(|credential| credential.issued_at),
    }
}

fn turning(name: &str) -> LoopStatus {
    LoopStatus { name: name.to_owned(), last_beat_at: NOW, silent_seconds: 0, limit_seconds: 60, problem: None }
}

/// What a watch suffers from that the roles do not provide for.
pub(crate) fn refused() -> Trouble {
    Trouble {
        reason: TroubleReason::Refused,
        message: "namespaces is forbidden: User \"pullmint\" cannot list resource \"namespaces\"".to_owned(),
        remedy: "grant list and watch as `pullmint rbac` prints them",
    }
}

fn account(name: &str, state: CopyState, problem: Option<&str>) -> CopyStatus {
    CopyStatus { name: name.to_owned(), state, expires_at: None, problem: problem.map(str::to_owned) }
}

/// Adds namespaces that hold every Secret.
fn people(status: &mut Status, names: &[&str]) {
    for name in names {
        let copy = |secret: &SecretStatus| CopyStatus {
            name: secret.name.clone(),
            state: CopyState::InSync,
            expires_at: secret.lowest_expires_at,
            problem: None,
        };
        let secrets = status.secrets.iter().map(copy).collect();
        let service_accounts = vec![account("default", CopyState::InSync, None)];
        status.namespaces.push(NamespaceStatus { name: (*name).to_owned(), secrets, service_accounts });
    }
    status.namespaces_total += names.len();
    status.secrets.iter_mut().for_each(|secret| secret.copies.in_sync += names.len());
    status.service_accounts.iter_mut().for_each(|account| account.copies.in_sync += names.len());
}

/// As bad as it gets: one registry renews no more, one has expired, one never had a credential; files are wrong, a
/// loop stands still, Secrets are somebody else's or cannot be written.
pub(crate) fn failing() -> Status {
    let mut status = healthy();
    fail(
        &mut status.registries[0],
        9,
        35,
        Reason::Denied,
        "ask acme.azurecr.io for a refresh token: 401 Unauthorized, AADSTS700016: the application was not found in the directory",
        "check `client_id` and `tenant`, and that the application has a federated credential for this ServiceAccount",
    );
    fail(
        &mut status.registries[2],
        41,
        700,
        Reason::Unreachable,
        "ask ECR in eu-west-1 for an authorization token: connection refused",
        "check the network path to api.ecr.eu-west-1.amazonaws.com: egress rules, proxy, DNS",
    );
    let expired = status.registries[2].credential.as_mut().expect("a credential");
    (expired.issued_at, expired.expires_at) = (ago(765), Some(ago(45)));
    fail(
        &mut status.registries[3],
        3,
        12,
        Reason::Misconfigured,
        "find AWS credentials: no providers in chain provided credentials",
        "give the ServiceAccount a role (IRSA or Pod Identity), or mount a profile",
    );
    status.registries[3].credential = None;
    status.registries[3].attempts.retain(|attempt| attempt.reason.is_some());

    let mut copy = |place: usize, secret: usize, state, problem: &str| {
        let copy = &mut status.namespaces[place].secrets[secret];
        (copy.state, copy.problem) = (state, Some(problem.to_owned()));
    };
    copy(
        0,
        0,
        CopyState::Refused,
        "made and kept by helm; put the annotation pullmint.dev/adopt: \"true\" on it to hand it over",
    );
    copy(
        1,
        2,
        CopyState::Failing,
        "exceeded quota: pull-secrets, requested: count/secrets=1, used: 10; raise the quota of this namespace",
    );
    for namespace in &mut status.namespaces {
        (namespace.secrets[3].state, namespace.secrets[3].expires_at) = (CopyState::Waiting, None);
        namespace.secrets[2].expires_at = Some(ago(45));
    }
    let secrets = &mut status.secrets;
    secrets[0].copies = Counts { in_sync: 5, refused: 1, ..Counts::default() };
    secrets[2].copies = Counts { in_sync: 5, failing: 1, ..Counts::default() };
    secrets[3].copies = Counts { waiting: 6, ..Counts::default() };
    (secrets[2].lowest_expires_at, secrets[3].lowest_expires_at) = (Some(ago(45)), None);
    secrets[3].last_synced_at = None;
    status.service_accounts[0].copies = Counts { in_sync: 5, failing: 1, ..Counts::default() };
    let forbidden = "serviceaccounts \"default\" is forbidden; grant what `pullmint rbac` prints";
    status.namespaces[1].service_accounts = vec![account("default", CopyState::Failing, Some(forbidden))];
    status.configuration.read_at = ago(8);
    status.configuration.problems.push(ConfigurationProblem {
        file: "/etc/pullmint/docker-hub.toml".to_owned(),
        line: Some(6),
        column: Some(12),
        message: "a cron expression has five fields, or six with seconds in front, not 2".to_owned(),
        help: Some("as `0 */6 * * *`: every six hours, in UTC".to_owned()),
    });
    (status.loops[2].last_beat_at, status.loops[2].silent_seconds) = (ago(7), 7 * 60);
    status.namespaces_troubled = status.namespaces.len();
    status
}

/// Lets the last attempts of a registry have failed.
fn fail(registry: &mut RegistryStatus, times: u32, since: i64, reason: Reason, message: &str, remedy: &str) {
    registry.failure = Some(FailureStatus {
        reason,
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        consecutive: times,
        since: ago(since),
    });
    registry.attempts.retain(|attempt| attempt.at < ago(since));
    let failed = (0..i64::from(times)).map(|n| since - n * since / i64::from(times));
    registry.attempts.extend(failed.map(|at| AttemptStatus { at: ago(at), reason: Some(reason) }));
    registry.next_renewal_at = Some(ahead(4));
}

/// Images of Pending pods do not pull: a tag that nobody pushed, and a credential that is mended by now.
pub(crate) fn unpullable() -> Status {
    let cause = |code: &str, sentence: &str, cure: &str, pods: usize| PullCauseStatus {
        code: code.to_owned(),
        sentence: sentence.to_owned(),
        certainty: "certain",
        cure: cure.to_owned(),
        command: None,
        namespaces: 2,
        pods,
        first_pods: (0..pods.min(10)).map(|pod| format!("web/shop-5d4f7c9b8d-{pod:05}")).collect(),
        since: ago(12),
    };
    let tag =
        cause("PM103", "acme.azurecr.io/team/shop has no tag 1.4.20", "use a tag that exists; the newest is 1.4.2", 34);
    let mended = cause("PM000", "the image can be pulled by now", "wait for the kubelet's next attempt", 2);
    let tag = PullCauseStatus {
        command: Some("kubectl -n web set image deploy/shop app=acme.azurecr.io/team/shop:1.4.2".to_owned()),
        ..tag
    };
    let counts = [("PM000".to_owned(), 2), ("PM103".to_owned(), 34)].into();
    let failures = PullFailuresStatus { counts, unexplained: 3, causes: vec![tag, mended], causes_total: 2 };
    Status { pull_failures: Some(failures), ..healthy() }
}

/// Another process leads; this one knows what its watches show and what the state Secret held.
pub(crate) fn standby() -> Status {
    let mut status = healthy();
    status.instance = "pullmint-6d9c7bfd4b-q7m4t".to_owned();
    status.leadership.role = Role::Standby;
    status.first_pass_at = None;
    for registry in &mut status.registries {
        (registry.credential, registry.next_renewal_at, registry.rate_limit) = (None, None, None);
        registry.attempts.clear();
    }
    (status.secrets, status.namespaces, status.namespaces_total) = (Vec::new(), Vec::new(), 0);
    status.service_accounts.clear();
    status
}

/// A cluster of a thousand namespaces, of which as many are shown as ever are.
pub(crate) fn large() -> Status {
    let mut status = healthy();
    let names: Vec<String> = (0..194).map(|number| format!("team-{number:03}")).collect();
    people(&mut status, &names.iter().map(String::as_str).collect::<Vec<_>>());
    status.namespaces_total = 1_000;
    status.secrets.iter_mut().for_each(|secret| secret.copies.in_sync = 1_000);
    status.service_accounts.iter_mut().for_each(|account| account.copies.in_sync = 1_000);
    status
}
