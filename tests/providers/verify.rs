//! What registries say of a credential.

use std::time::Duration;

use pullmint::credential::Credential;
use pullmint::provider::Reason;
use secrecy::SecretString;
use world::clouds::seed::Identity;
use world::clouds::{Fault, Service};

use crate::{Net, accepted, acr, docker_hub, ecr, minted, told};

#[tokio::test]
async fn a_revoked_or_foreign_credential_is_denied() {
    let net = Net::start().await;
    for (settings, identity, issuer) in [
        (ecr::settings(None), Some(Identity::AwsKeys), Service::Ecr),
        (ecr::public_settings(), Some(Identity::AwsKeys), Service::EcrPublic),
        (acr::settings(acr::workload(), &[]), Some(Identity::AzureWorkload), Service::AcrExchange),
        (acr::settings(acr::workload(), &["team/app"]), Some(Identity::AzureWorkload), Service::AcrToken),
        (docker_hub::organization(&net.files), None, Service::HubTokens),
        (docker_hub::oidc(&net.files), None, Service::HubOidc),
    ] {
        let provider = net.provider(settings, identity);
        let credential = accepted(&provider).await;
        net.clouds().revoke_all(issuer);
        let foreign = Credential { password: SecretString::from("CANARY foreign"), ..credential.clone() };
        for dead in [credential, foreign] {
            let error = provider.verify(&dead).await.expect_err("refused");
            assert_eq!(error.reason, Reason::Denied, "{issuer:?}: {}", told(&error));
        }
    }
}

#[tokio::test]
async fn a_registry_in_trouble_gives_no_verdict() {
    let net = Net::start().await;
    let patient = net.provider(ecr::settings(None), Some(Identity::AwsKeys));
    let impatient = net.impatient(ecr::settings(None), Some(Identity::AwsKeys));
    let credential = minted(&patient).await;
    for (provider, fault, reason) in [
        (&impatient, Fault::Hang, Reason::Unreachable),
        (&patient, Fault::Reset, Reason::Unreachable),
        (&patient, Fault::Status(502), Reason::Unexpected),
        (&patient, Fault::Throttle(Duration::from_secs(9)), Reason::Throttled),
    ] {
        net.clouds().fail(Service::EcrRegistry, fault);
        let error = provider.verify(&credential).await.expect_err("no verdict");
        assert_eq!(error.reason, reason, "{}", told(&error));
    }
}

#[tokio::test]
async fn one_host_without_a_verdict_does_not_hide_that_the_other_accepts() {
    let net = Net::start().await;
    let provider = net.provider(ecr::settings(None), Some(Identity::AwsKeys));
    let credential = minted(&provider).await;
    let provider = net.impatient(ecr::settings(None), Some(Identity::AwsKeys));
    net.clouds().fail_next(Service::EcrRegistry, 1, Fault::Hang);
    let error = provider.verify(&credential).await.expect_err("one hangs");
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(told(&error).contains("accepted by 1 of 2 hosts"), "{}", told(&error));
}

#[tokio::test]
async fn a_token_service_in_trouble_gives_no_verdict() {
    let net = Net::start().await;
    let patient = net.provider(docker_hub::token_file(&net.files), None);
    let impatient = net.impatient(docker_hub::token_file(&net.files), None);
    let credential = minted(&patient).await;
    for (provider, fault, reason) in [
        (&impatient, Fault::Hang, Reason::Unreachable),
        (&patient, Fault::Garbage, Reason::Unexpected),
        (&patient, Fault::Huge, Reason::Unexpected),
        (&patient, Fault::Deny, Reason::Denied),
    ] {
        net.clouds().fail(Service::HubToken, fault);
        let error = provider.verify(&credential).await.expect_err("no verdict");
        assert_eq!(error.reason, reason, "{}", told(&error));
    }
}
