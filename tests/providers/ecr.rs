//! Identities, roles and endpoints of AWS.

use pullmint::config::settings::{AwsRole, Ecr, EcrPublic, ProviderSettings};
use pullmint::provider::Reason;
use world::clouds::seed::{self, Identity};
use world::clouds::{Fault, Service};

use crate::{Net, accepted, host, refused, told};

pub(crate) fn settings(role: Option<AwsRole>) -> ProviderSettings {
    let hosts = [seed::AWS_ACCOUNT, seed::AWS_SECOND_ACCOUNT]
        .map(|account| host(&format!("{account}.dkr.ecr.eu-west-1.amazonaws.com")))
        .to_vec();
    ProviderSettings::Ecr(Ecr { region: "eu-west-1".into(), hosts, role, endpoint: None })
}

pub(crate) fn public_settings() -> ProviderSettings {
    let hosts = vec![host("public.ecr.aws"), host("ecr-public.aws.com")];
    ProviderSettings::EcrPublic(EcrPublic { hosts, role: None, endpoint: None })
}

pub(crate) fn role() -> AwsRole {
    AwsRole {
        arn: seed::AWS_SECOND_ROLE.into(),
        external_id: Some(seed::AWS_EXTERNAL_ID.into()),
        session_name: "pullmint".into(),
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let net = Net::start().await;
    accepted(&net.provider(settings(Some(role())), Some(Identity::AwsKeys))).await;
    assert_eq!(net.clouds().requests(Service::Sts), 1);
}

#[tokio::test]
async fn a_role_that_demands_another_external_id_names_its_trust_policy() {
    let net = Net::start().await;
    for external_id in [None, Some("another".to_owned())] {
        let role = AwsRole { external_id, ..role() };
        let error = refused(&net.provider(settings(Some(role)), Some(Identity::AwsKeys))).await;
        assert_eq!(error.reason, Reason::Denied);
        assert!(error.remedy.contains(&format!("sts:AssumeRole on {}", seed::AWS_SECOND_ROLE)), "{}", told(&error));
        assert!(error.remedy.contains("external id"), "{}", told(&error));
    }
}

#[tokio::test]
async fn without_any_identity_it_is_told_where_one_was_looked_for() {
    let net = Net::start().await;
    let nothing = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|name| (name, "/dev/null".to_owned()));
    let env = [&nothing[..], &[("AWS_EC2_METADATA_DISABLED", "true".to_owned())]].concat();
    let error = refused(&net.provider_with(settings(None), &env)).await;
    assert_eq!(error.reason, Reason::Misconfigured);
    for place in ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "Pod Identity", "metadata"] {
        assert!(error.remedy.contains(place), "{}", told(&error));
    }
    // Nor does an unknown place of the metadata service make it anything else.
    let error = refused(&net.provider_with(settings(None), &nothing)).await;
    assert_eq!(error.reason, Reason::Misconfigured, "{}", told(&error));
}

#[tokio::test]
async fn unknown_keys_and_wrong_secrets_are_told_apart() {
    let net = Net::start().await;
    let mut env = Identity::AwsKeys.env(&net.files, &net.internet);
    env.push(("AWS_SECRET_ACCESS_KEY", "CANARY wrong".into()));
    env.retain(|(name, value)| *name != "AWS_SECRET_ACCESS_KEY" || value == "CANARY wrong");
    let error = refused(&net.provider_with(settings(None), &env)).await;
    assert_eq!(error.reason, Reason::Denied);
    assert!(error.remedy.contains("secret access key"), "{}", told(&error));

    env.retain(|(name, _)| *name != "AWS_ACCESS_KEY_ID");
    env.push(("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN".into()));
    let error = refused(&net.provider_with(settings(None), &env)).await;
    assert_eq!(error.reason, Reason::Denied);
    assert!(error.remedy.contains("does not know the access key"), "{}", told(&error));
}

#[tokio::test]
async fn a_refusal_tells_whom_it_hit() {
    let net = Net::start().await;
    net.clouds().fail(Service::Ecr, Fault::Deny);
    let error = refused(&net.provider(settings(None), Some(Identity::AwsKeys))).await;
    let whom = "AccessDeniedException to arn:aws:sts::123456789012:assumed-role/pullmint/pullmint";
    assert!(error.chain().ends_with(whom), "{}", told(&error));
}

#[tokio::test]
async fn a_wrong_clock_is_suspected_when_a_signature_is_refused() {
    let net = Net::start().await;
    net.clouds().set_skew(jiff::SignedDuration::from_mins(20));
    let error = refused(&net.provider(settings(None), Some(Identity::AwsKeys))).await;
    assert!(error.remedy.contains("clock"), "{}", told(&error));
}

#[tokio::test]
async fn keys_of_a_profile_are_read_anew() {
    let net = Net::start().await;
    let profile = net.dir.path().join("credentials");
    let write = |secret: &str| {
        let text =
            format!("[default]\naws_access_key_id={}\naws_secret_access_key={secret}\n", seed::AWS_ACCESS_KEY_ID);
        std::fs::write(&profile, text).unwrap();
    };
    let env = [
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", profile.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    let provider = net.provider_with(settings(None), &env);
    write("CANARY wrong");
    refused(&provider).await;
    write(seed::AWS_SECRET_ACCESS_KEY);
    accepted(&provider).await;
}

#[tokio::test]
async fn an_endpoint_may_be_overridden_by_key_and_by_variable() {
    let net = Net::start().await;
    let ProviderSettings::Ecr(ecr) = settings(None) else { unreachable!() };
    let endpoint = Some(net.internet.loopback_url().parse().unwrap());
    let overridden = ProviderSettings::Ecr(Ecr { endpoint, region: "nowhere-1".into(), ..ecr.clone() });
    net.provider(overridden, Some(Identity::AwsKeys)).mint().await.expect("minted");

    let mut env = Identity::AwsKeys.env(&net.files, &net.internet);
    env.extend(net.internet.aws_endpoints());
    net.provider_with(ProviderSettings::Ecr(Ecr { region: "nowhere-1".into(), ..ecr }), &env)
        .mint()
        .await
        .expect("minted");
}
