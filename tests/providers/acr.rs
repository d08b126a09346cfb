//! Identities, clouds and repositories of Azure.

use std::time::Duration;

use pullmint::config::settings::{Acr, AzureCloud, AzureIdentity, ManagedIdentity, ProviderSettings};
use pullmint::provider::Reason;
use world::clouds::seed::{self, Files, Identity};
use world::clouds::{Fault, Service};

use crate::{Net, accepted, host, refused, told};

pub(crate) fn settings(identity: AzureIdentity, repositories: &[&str]) -> ProviderSettings {
    ProviderSettings::Acr(acr(identity, repositories))
}

fn acr(identity: AzureIdentity, repositories: &[&str]) -> Acr {
    Acr {
        login_server: host("acme.azurecr.io"),
        tenant: match identity {
            AzureIdentity::ClientSecret { .. } => Some(seed::AZURE_TENANT.into()),
            _ => None,
        },
        identity,
        cloud: AzureCloud::Public,
        audience: "https://containerregistry.azure.net/.default".into(),
        repositories: repositories.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub(crate) fn client_secret(files: &Files) -> AzureIdentity {
    AzureIdentity::ClientSecret {
        client_id: seed::AZURE_CLIENT.into(),
        client_secret_file: files.azure_client_secret.clone(),
    }
}

pub(crate) fn workload() -> AzureIdentity {
    AzureIdentity::WorkloadIdentity { client_id: None, token_file: None }
}

#[tokio::test]
async fn workload_identity_is_configured_by_keys_or_by_the_webhook() {
    let net = Net::start().await;
    accepted(&net.provider(settings(workload(), &[]), Some(Identity::AzureWorkload))).await;

    let identity = AzureIdentity::WorkloadIdentity {
        client_id: Some(seed::AZURE_CLIENT.into()),
        token_file: Some(net.files.azure_federated_token.clone()),
    };
    let keyed = Acr { tenant: Some(seed::AZURE_TENANT.into()), ..acr(identity, &[]) };
    accepted(&net.provider(ProviderSettings::Acr(keyed), None)).await;

    let error = refused(&net.provider(settings(workload(), &[]), None)).await;
    assert_eq!(error.reason, Reason::Misconfigured);
    assert!(error.remedy.contains("azure.workload.identity/use"), "{}", told(&error));
}

#[tokio::test]
async fn a_managed_identity_is_the_systems_or_one_by_its_id() {
    let net = Net::start().await;
    for identity in [
        ManagedIdentity::System,
        ManagedIdentity::ClientId(seed::AZURE_CLIENT.into()),
        ManagedIdentity::ResourceId(seed::AZURE_IDENTITY_ID.into()),
    ] {
        accepted(&net.provider(settings(AzureIdentity::ManagedIdentity(identity), &[]), None)).await;
    }
    let stranger = AzureIdentity::ManagedIdentity(ManagedIdentity::ClientId("stranger".into()));
    let error = refused(&net.provider(settings(stranger, &[]), None)).await;
    assert_eq!(error.reason, Reason::Misconfigured);
    assert!(error.remedy.contains("assign the managed identity"), "{}", told(&error));
}

#[tokio::test]
async fn the_metadata_service_is_not_waited_for_longer_than_other_clouds() {
    let net = Net::start().await;
    let system = || settings(AzureIdentity::ManagedIdentity(ManagedIdentity::System), &[]);
    let (patient, impatient) = (net.provider(system(), None), net.impatient(system(), None));
    for (provider, fault, reason) in [
        (&impatient, Fault::Hang, Reason::Unreachable),
        (&patient, Fault::Status(503), Reason::Unexpected),
        (&patient, Fault::Garbage, Reason::Unexpected),
        (&patient, Fault::Throttle(Duration::from_secs(5)), Reason::Throttled),
    ] {
        net.clouds().fail(Service::ManagedIdentity, fault);
        assert_eq!(refused(provider).await.reason, reason);
    }
    // The SDK's own retries stay out of it.
    assert_eq!(net.clouds().requests(Service::ManagedIdentity), 4);
}

#[tokio::test]
async fn entras_numbers_are_told_with_what_they_mean() {
    let net = Net::start().await;
    let try_with = async |change: fn(&mut Acr)| {
        let mut acr = acr(client_secret(&net.files), &[]);
        change(&mut acr);
        refused(&net.provider(ProviderSettings::Acr(acr), None)).await
    };
    let error = try_with(|acr| acr.tenant = Some("another.example".into())).await;
    assert!(error.remedy.contains("AADSTS90002") && error.reason == Reason::Misconfigured, "{}", told(&error));
    let error = try_with(|acr| {
        acr.identity = match acr.identity.clone() {
            AzureIdentity::ClientSecret { client_secret_file, .. } => {
                AzureIdentity::ClientSecret { client_id: "stranger".into(), client_secret_file }
            }
            other => other,
        }
    })
    .await;
    assert!(error.remedy.contains("AADSTS700016") && error.reason == Reason::Misconfigured, "{}", told(&error));
    let error = try_with(|acr| acr.audience = "https://unknown.example/.default".into()).await;
    assert!(error.remedy.contains("audience") && error.reason == Reason::Misconfigured, "{}", told(&error));

    for (secret, number) in [("CANARY wrong", "AADSTS7000215"), (seed::AZURE_EXPIRED_SECRET, "AADSTS7000222")] {
        std::fs::write(&net.files.azure_client_secret, secret).unwrap();
        let error = try_with(|_| ()).await;
        assert!(error.remedy.contains(number) && error.reason == Reason::Denied, "{}", told(&error));
    }
}

#[tokio::test]
async fn an_arm_token_is_refused_by_the_registry_with_a_remedy() {
    let net = Net::start().await;
    let arm = Acr { audience: "https://management.azure.com/.default".into(), ..acr(client_secret(&net.files), &[]) };
    let error = refused(&net.provider(ProviderSettings::Acr(arm), None)).await;
    assert_eq!(error.reason, Reason::Denied);
    assert!(error.remedy.contains("AcrPull"), "{}", told(&error));
}

#[tokio::test]
async fn other_clouds_have_their_own_authority() {
    let net = Net::start().await;
    let authority = "https://login.chinacloudapi.cn".to_owned();
    for (server, cloud) in [
        ("acme.azurecr.us", AzureCloud::UsGovernment),
        ("acme.azurecr.cn", AzureCloud::China),
        ("acme.azurecr.cn", AzureCloud::Custom { authority }),
    ] {
        let acr = Acr { login_server: host(server), cloud, ..acr(client_secret(&net.files), &[]) };
        accepted(&net.provider(ProviderSettings::Acr(acr), None)).await;
    }
}
