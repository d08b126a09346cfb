//! Docker Hub's tokens: made, counted, cleaned up and revoked.

use std::path::PathBuf;
use std::time::Duration;

use pullmint::config::settings::{DockerHub, DockerHubLogin, DockerHubSource, ProviderSettings};
use pullmint::credential::{Expiry, TokenHandle};
use pullmint::provider::{Reason, Revocation};
use secrecy::ExposeSecret;

use world::clouds::seed::{self, Files};
use world::clouds::{Fault, Service};

use crate::{Net, accepted, minted, now, refused, requests, told};

const DAY: Duration = Duration::from_secs(86_400);

fn source(source: DockerHubSource) -> ProviderSettings {
    ProviderSettings::DockerHub(DockerHub { source })
}

fn login(files: &Files, username: &str) -> DockerHubLogin {
    DockerHubLogin { username: username.into(), password_file: files.hub_password.clone() }
}

pub(crate) fn token_file(files: &Files) -> ProviderSettings {
    token_at(files.hub_personal_token.clone())
}

pub(crate) fn token_at(token_file: PathBuf) -> ProviderSettings {
    source(DockerHubSource::TokenFile { username: seed::HUB_OWNER.into(), token_file, expires_at: None })
}

pub(crate) fn organization(files: &Files) -> ProviderSettings {
    organization_by(login(files, seed::HUB_OWNER), DAY)
}

fn organization_by(login: DockerHubLogin, lifetime: Duration) -> ProviderSettings {
    source(DockerHubSource::OrganizationToken {
        organization: seed::HUB_ORG.into(),
        login,
        repositories: vec!["acme/*".into(), "acme/app".into()],
        lifetime,
        label: "pullmint".into(),
    })
}

pub(crate) fn personal(files: &Files) -> ProviderSettings {
    personal_by(login(files, seed::HUB_OWNER))
}

fn personal_by(login: DockerHubLogin) -> ProviderSettings {
    source(DockerHubSource::PersonalToken { login, lifetime: DAY, label: "pullmint".into() })
}

pub(crate) fn oidc(files: &Files) -> ProviderSettings {
    source(DockerHubSource::Oidc {
        organization: seed::HUB_ORG.into(),
        connection_id: seed::HUB_CONNECTION.into(),
        token_file: files.hub_oidc_token.clone(),
        lifetime: Duration::from_secs(3600),
    })
}

#[tokio::test]
async fn a_token_from_a_file_lives_as_long_as_its_maker_said() {
    let net = Net::start().await;
    let expires_at = Some("2030-01-02T03:04:05Z".parse().unwrap());
    let ours = source(DockerHubSource::TokenFile {
        username: seed::HUB_ORG.into(),
        token_file: net.files.hub_org_token.clone(),
        expires_at,
    });
    assert_eq!(accepted(&net.provider(ours, None)).await.expiry.instant(), expires_at);
    assert_eq!(accepted(&net.provider(token_file(&net.files), None)).await.expiry, Expiry::Never);
}

#[tokio::test]
async fn a_minted_token_lives_as_long_as_configured_and_can_be_revoked_twice() {
    let net = Net::start().await;
    for settings in [organization(&net.files), personal(&net.files)] {
        let provider = net.provider(settings, None);
        let credential = accepted(&provider).await;
        let life = credential.expiry.instant().unwrap().duration_since(now());
        assert!((life.as_secs() - 86_400).abs() < 5, "{life}");
        let handle = credential.handle.clone().expect("a handle");
        provider.revoke(&handle).await.expect("revoked");
        assert!(!net.clouds().is_live(credential.password.expose_secret()));
        provider.revoke(&handle).await.expect("it is gone, which is what was wanted");
        provider.revoke(&TokenHandle("../../orgs/acme".into())).await.expect("no such token");
    }
    assert!(net.clouds().is_live(seed::HUB_ORG_TOKEN), "others' tokens are left alone");
}

#[tokio::test]
async fn expired_tokens_of_ours_make_room_and_live_or_foreign_ones_stay() {
    let net = Net::start().await;
    net.clouds().set_org_quota(4);
    let provider = net.provider(organization(&net.files), None);
    let first = minted(&provider).await;
    net.clouds().set_life(Service::HubTokens, Duration::from_millis(1));
    for _ in 0..5 {
        minted(&provider).await;
    }
    net.clouds().set_life(Service::HubTokens, DAY);
    accepted(&provider).await;
    assert!(net.clouds().is_live(first.password.expose_secret()), "a live one may be in use elsewhere");
    assert!(net.clouds().is_live(seed::HUB_ORG_TOKEN), "the one made by hand");
}

#[tokio::test]
async fn a_full_quota_is_told_with_its_number() {
    let net = Net::start().await;
    net.clouds().set_org_quota(2);
    let provider = net.provider(organization(&net.files), None);
    minted(&provider).await;
    let error = refused(&provider).await;
    assert_eq!(error.reason, Reason::Denied);
    assert!(error.remedy.contains("there are 2 tokens already"), "{}", told(&error));
}

#[tokio::test]
async fn who_may_not_mint_is_told_why() {
    let net = Net::start().await;
    for (user, hint) in [(seed::HUB_2FA, "second factor"), (seed::HUB_SSO, "single sign-on"), ("stranger", "Docker ID")]
    {
        let error = refused(&net.provider(personal_by(login(&net.files, user)), None)).await;
        assert_eq!(error.reason, Reason::Denied);
        assert!(error.remedy.contains(hint), "{}", told(&error));
    }
    let member = organization_by(login(&net.files, seed::HUB_MEMBER), DAY);
    let error = refused(&net.provider(member, None)).await;
    assert!(error.reason == Reason::Denied && error.remedy.contains("owner"), "{}", told(&error));
}

#[tokio::test]
async fn a_token_in_place_of_the_password_is_recognised() {
    let net = Net::start().await;
    std::fs::write(&net.files.hub_password, seed::HUB_PERSONAL_TOKEN).unwrap();
    let error = refused(&net.provider(personal(&net.files), None)).await;
    assert_eq!(error.reason, Reason::Denied);
    assert!(error.remedy.contains("a token may not manage tokens"), "{}", told(&error));
}

#[tokio::test]
async fn an_unknown_connection_or_organization_is_told() {
    let net = Net::start().await;
    let unknown = source(DockerHubSource::Oidc {
        organization: seed::HUB_ORG.into(),
        connection_id: "unknown".into(),
        token_file: net.files.hub_oidc_token.clone(),
        lifetime: Duration::from_secs(3600),
    });
    let error = refused(&net.provider(unknown, None)).await;
    assert!(error.reason.lasts() && error.remedy.contains("connection_id"), "{}", told(&error));

    let unknown = source(DockerHubSource::OrganizationToken {
        organization: "unknown".into(),
        login: login(&net.files, seed::HUB_OWNER),
        repositories: vec!["unknown/*".into()],
        lifetime: DAY,
        label: "pullmint".into(),
    });
    let error = refused(&net.provider(unknown, None)).await;
    assert!(error.reason == Reason::Misconfigured && error.remedy.contains("organization"), "{}", told(&error));
}

#[tokio::test]
async fn a_mint_costs_three_requests() {
    let net = Net::start().await;
    minted(&net.provider(organization(&net.files), None)).await;
    let counted = requests(net.clouds(), &[Service::HubLogin, Service::HubTokens]);
    assert_eq!((counted[&Service::HubLogin], counted[&Service::HubTokens]), (1, 2));
}

#[tokio::test]
async fn the_pulls_that_are_left_are_told_and_asking_costs_none() {
    let net = Net::start().await;
    net.clouds().set_pull_limit(100);
    let provider = net.provider(organization(&net.files), None);
    let credential = accepted(&provider).await;
    for _ in 0..3 {
        let limit = provider.pull_limit(&credential).await.expect("an answer").expect("a limit");
        assert_eq!((limit.limit, limit.remaining, limit.window), (100, 100, Duration::from_secs(21600)));
    }
    for fault in [Fault::Throttle(Duration::from_secs(60)), Fault::Status(502)] {
        net.clouds().fail_next(Service::HubRegistry, 1, fault);
        let error = provider.pull_limit(&credential).await.expect_err("no word on the limit");
        assert_ne!(error.reason, Reason::Denied, "{}", told(&error));
    }
    net.clouds().revoke_all(Service::HubTokens);
    let error = provider.pull_limit(&credential).await.expect_err("a dead token");
    assert_eq!(error.reason, Reason::Denied, "{}", told(&error));
}

#[tokio::test]
async fn a_token_that_is_not_the_logins_to_delete_is_said_to_be_so_and_a_refused_login_is_a_failure() {
    let net = Net::start().await;
    let handle = minted(&net.provider(organization(&net.files), None)).await.handle.expect("a handle");
    let member = organization_by(login(&net.files, seed::HUB_MEMBER), DAY);
    for other in [member, token_file(&net.files), oidc(&net.files)] {
        let revoked = net.provider(other, None).revoke(&handle).await.expect("an answer");
        assert_eq!(revoked, Revocation::OutOfReach);
    }
    let stranger = organization_by(login(&net.files, "nobody"), DAY);
    let error = net.provider(stranger, None).revoke(&handle).await.expect_err("no login");
    assert_eq!(error.reason, Reason::Denied, "which may pass");
    assert_eq!(net.clouds().hub_tokens(seed::HUB_ORG).len(), 2, "nothing was deleted");
}
