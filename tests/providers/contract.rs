//! One suite, run against each provider.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use pullmint::config::settings::ProviderSettings;
use pullmint::credential::Expiry;
use pullmint::provider::{MintError, Reason};
use secrecy::ExposeSecret;
use world::clouds::seed::{self, Files, Identity};
use world::clouds::{Fault, Service};

use crate::{Net, accepted, acr, docker_hub, ecr, minted, now, refused, told};

/// A provider, and what its mint touches.
struct Case {
    name: &'static str,
    settings: fn(&Files) -> ProviderSettings,
    identity: Option<Identity>,
    /// The services that a mint asks, and words of the remedy when one refuses.
    services: &'static [(Service, &'static str)],
    /// Where the token comes from, in the end.
    issuer: Option<Service>,
    /// The file with the base secret.
    secret: Option<fn(&Files) -> PathBuf>,
}

const CASES: &[Case] = &[
    Case {
        name: "ecr",
        settings: |_| ecr::settings(None),
        identity: Some(Identity::AwsKeys),
        services: &[(Service::Ecr, "ecr:GetAuthorizationToken on resource *")],
        issuer: Some(Service::Ecr),
        secret: None,
    },
    Case {
        name: "ecr with web identity and a role",
        settings: |_| ecr::settings(Some(ecr::role())),
        identity: Some(Identity::AwsWebIdentity),
        services: &[(Service::Ecr, "ecr:GetAuthorizationToken"), (Service::Sts, "sts:AssumeRoleWithWebIdentity")],
        issuer: Some(Service::Ecr),
        secret: Some(|files| files.aws_web_identity_token.clone()),
    },
    Case {
        name: "ecr with pod identity",
        settings: |_| ecr::settings(None),
        identity: Some(Identity::AwsPodIdentity),
        services: &[(Service::Ecr, "ecr:GetAuthorizationToken")],
        issuer: Some(Service::Ecr),
        secret: Some(|files| files.aws_pod_identity_token.clone()),
    },
    Case {
        name: "ecr public",
        settings: |_| ecr::public_settings(),
        identity: Some(Identity::AwsKeys),
        services: &[(Service::EcrPublic, "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken")],
        issuer: Some(Service::EcrPublic),
        secret: None,
    },
    Case {
        name: "acr",
        settings: |files| acr::settings(acr::client_secret(files), &[]),
        identity: None,
        services: &[(Service::Entra, "AADSTS7000112"), (Service::AcrExchange, "AcrPull")],
        issuer: Some(Service::AcrExchange),
        secret: Some(|files| files.azure_client_secret.clone()),
    },
    Case {
        name: "acr for repositories",
        settings: |_| acr::settings(acr::workload(), &["team/app", "team/web"]),
        identity: Some(Identity::AzureWorkload),
        services: &[
            (Service::Entra, "AADSTS7000112"),
            (Service::AcrExchange, "AcrPull"),
            (Service::AcrToken, "Repository Reader"),
        ],
        issuer: Some(Service::AcrToken),
        secret: Some(|files| files.azure_federated_token.clone()),
    },
    Case {
        name: "docker hub, token file",
        settings: docker_hub::token_file,
        identity: None,
        services: &[],
        issuer: None,
        secret: Some(|files| files.hub_personal_token.clone()),
    },
    Case {
        name: "docker hub, organization",
        settings: docker_hub::organization,
        identity: None,
        services: &[(Service::HubLogin, "two-factor"), (Service::HubTokens, "owner")],
        issuer: Some(Service::HubTokens),
        secret: Some(|files| files.hub_password.clone()),
    },
    Case {
        name: "docker hub, personal",
        settings: docker_hub::personal,
        identity: None,
        services: &[(Service::HubLogin, "single sign-on"), (Service::HubTokens, "by password")],
        issuer: Some(Service::HubTokens),
        secret: Some(|files| files.hub_password.clone()),
    },
    Case {
        name: "docker hub, oidc",
        settings: docker_hub::oidc,
        identity: None,
        services: &[(Service::HubOidc, "connection_id")],
        issuer: Some(Service::HubOidc),
        secret: Some(|files| files.hub_oidc_token.clone()),
    },
];

/// What each fault of a service on the way must look like.
async fn each_fault(fault: Fault, check: impl Fn(&MintError, &str) -> bool + Copy) {
    join_all(CASES.iter().map(async |case| {
        for (service, remedy) in case.services {
            let net = Net::start().await;
            let provider = net.provider((case.settings)(&net.files), case.identity);
            net.clouds().fail(*service, fault);
            let error = match fault {
                Fault::Hang => refused(&net.impatient((case.settings)(&net.files), case.identity)).await,
                _ => refused(&provider).await,
            };
            let story = format!("{}, {service:?}, {fault:?}: {:?}: {}", case.name, error.reason, told(&error));
            assert!(check(&error, remedy), "{story}");
            net.clouds().heal(*service);
            minted(&provider).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn a_minted_credential_lives_and_its_registry_accepts_it() {
    join_all(CASES.iter().map(async |case| {
        let net = Net::start().await;
        let provider = net.provider((case.settings)(&net.files), case.identity);
        assert!(!provider.hosts().is_empty());
        let credential = accepted(&provider).await;
        assert!(!credential.expiry.is_past(now()), "{}", case.name);
        assert!(!credential.password.expose_secret().is_empty() && !credential.username.is_empty(), "{}", case.name);
        if let Some(issuer) = case.issuer {
            assert!(net.clouds().issued(issuer).contains(&credential.password.expose_secret().to_owned()));
            assert!(credential.expiry.instant().is_some(), "{}", case.name);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_refusal_is_denied_with_what_to_grant() {
    each_fault(Fault::Deny, |error, remedy| error.reason == Reason::Denied && error.remedy.contains(remedy)).await;
}

#[tokio::test]
async fn a_throttled_mint_tells_how_long_to_wait() {
    each_fault(Fault::Throttle(Duration::from_secs(77)), |error, _| {
        error.reason == Reason::Throttled && error.retry_after == Some(Duration::from_secs(77))
    })
    .await;
}

#[tokio::test]
async fn a_hanging_or_broken_connection_is_unreachable() {
    for fault in [Fault::Hang, Fault::Reset] {
        each_fault(fault, |error, _| error.reason == Reason::Unreachable).await;
    }
}

#[tokio::test]
async fn an_answer_without_sense_is_unexpected() {
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Garbage, Fault::Truncated, Fault::Huge] {
        each_fault(fault, |error, _| error.reason == Reason::Unexpected).await;
    }
}

#[tokio::test]
async fn a_credential_that_is_expired_when_minted_is_handed_on_as_it_is() {
    join_all(CASES.iter().map(async |case| {
        let Some(issuer) = case.issuer else { return };
        let net = Net::start().await;
        let provider = net.provider((case.settings)(&net.files), case.identity);
        net.clouds().fail_next(issuer, 3, Fault::Expired);
        let credential = minted(&provider).await;
        let Expiry::At(expiry) = credential.expiry else { panic!("{}: no expiry", case.name) };
        assert!(expiry <= now(), "{}: {expiry}", case.name);
    }))
    .await;
}

#[tokio::test]
async fn a_changed_secret_file_counts_at_the_next_mint() {
    join_all(CASES.iter().map(async |case| {
        let Some(secret) = case.secret else { return };
        let net = Net::start().await;
        let provider = net.provider((case.settings)(&net.files), case.identity);
        let path = secret(&net.files);
        let good = std::fs::read(&path).unwrap();

        std::fs::write(&path, "CANARY wrong").unwrap();
        let verdict = match provider.mint().await {
            // Nobody is asked about a token from a file before the registry is.
            Ok(credential) => provider.verify(&credential).await,
            Err(error) => Err(error),
        };
        let error = verdict.expect_err(case.name);
        told(&error);
        assert!(error.reason.lasts(), "{}: {}", case.name, told(&error));

        std::fs::write(&path, good).unwrap();
        accepted(&provider).await;
    }))
    .await;
}

#[tokio::test]
async fn a_missing_secret_file_is_misconfigured() {
    join_all(CASES.iter().map(async |case| {
        let Some(secret) = case.secret else { return };
        let net = Net::start().await;
        let provider = net.provider((case.settings)(&net.files), case.identity);
        std::fs::remove_file::<&Path>(&secret(&net.files)).unwrap();
        let error = refused(&provider).await;
        assert_eq!(error.reason, Reason::Misconfigured, "{}: {}", case.name, told(&error));
    }))
    .await;
}

/// In a process of its own: what one thread logs depends on what the others listen to.
#[test]
fn no_log_at_any_level_shows_a_secret() {
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", "contract::the_log_of_a_process_alone"]).env(ALONE, "1");
    let output = alone.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

const ALONE: &str = "PULLMINT_TEST_ALONE";

#[tokio::test]
async fn the_log_of_a_process_alone() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for case in CASES {
        let net = Net::start().await;
        let provider = net.provider((case.settings)(&net.files), case.identity);
        accepted(&provider).await;
        for (service, _) in case.services {
            for fault in [Fault::Deny, Fault::Garbage, Fault::Truncated] {
                net.clouds().fail(*service, fault);
                refused(&provider).await;
                net.clouds().heal(*service);
            }
        }
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.lines().count() > 100, "the log is on");
    // The key's id is said CANARY too, but it is public: AWS writes it into every request's head.
    if let Some(line) = text.replace(seed::AWS_ACCESS_KEY_ID, "").lines().find(|line| line.contains("CANARY")) {
        panic!("a secret is in the log: {}", line.chars().take(600).collect::<String>());
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
