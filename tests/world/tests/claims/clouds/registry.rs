//! Credentials open a real registry, under the registries' own names, exactly while they live and for what they may
//! read.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::process::Command;
use world::clouds::{Service, seed};
use world::{Image, Registry, RegistryAuth, RegistryOptions, TokenAuth, TokenKeys, WorldDir};

use super::{Net, answer, aws, azure};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry behind the fronts, with a small image in each of these repositories: host and repository.
async fn registry(net: &Net, repositories: &[(&str, &str)]) -> Registry {
    let trust = net.clouds().token_trust();
    let auth = RegistryAuth::Token(TokenAuth {
        realm: trust.realm,
        service: trust.service,
        issuer: trust.issuer,
        keys: TokenKeys::RootCertificates(trust.rootcertbundle),
    });
    let options = RegistryOptions { auth, ..RegistryOptions::default() };
    let registry = Registry::start(options, &WorldDir::new().unwrap()).await.unwrap();
    let names = repositories.iter().map(|(host, name)| net.clouds().internal_name(host, name).unwrap() + ":1");
    let names: Vec<_> = names.collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    registry.push(&Image::new("app").await.unwrap(), &names).await.unwrap();
    net.clouds().attach_registry(&registry.url());
    registry
}

/// What `skopeo inspect` says of an image with a docker config; nothing but the environment leads it to the clouds.
async fn skopeo(net: &Net, image: &str, key: &str, user: &str, password: &str) -> Option<Result<Value, String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth.json");
    let auth = STANDARD.encode(format!("{user}:{password}"));
    std::fs::write(&file, json!({"auths": {key: {"auth": auth}}}).to_string()).unwrap();
    let skopeo = Command::new("skopeo")
        .args(["inspect", "--no-tags", "--authfile"])
        .arg(&file)
        .arg(format!("docker://{image}"))
        .envs(net.internet.env())
        .output()
        .await;
    let Ok(output) = skopeo else {
        world::skip("opening a registry needs skopeo, which is not installed");
        return None;
    };
    Some(match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    })
}

#[tokio::test]
async fn an_ecr_password_pulls_by_every_name_of_the_registry_until_it_expires() {
    let net = Net::start().await;
    let _registry = registry(&net, &[(ECR, "team/app")]).await;
    net.clouds().set_life(Service::Ecr, Duration::from_secs(60));
    aws::ecr(&net, &aws::user(), "https://api.ecr.eu-west-1.amazonaws.com/", "eu-west-1").await;
    let password = net.newest(Service::Ecr);
    for host in [ECR, "123456789012.dkr-ecr.eu-west-1.on.aws"] {
        let Some(seen) = skopeo(&net, &format!("{host}/team/app:1"), host, "AWS", &password).await else { return };
        assert_eq!(seen.expect("pulled")["Os"], "linux");
    }
    let stranger = "999999999999.dkr.ecr.eu-west-1.amazonaws.com";
    let denied = net.get(&format!("https://{stranger}/v2/team/app/manifests/1")).basic_auth("AWS", Some(&password));
    assert!(answer(denied).await.text.contains("ecr:BatchGetImage"));

    net.clouds().set_skew(SignedDuration::from_secs(61));
    let late = skopeo(&net, &format!("{ECR}/team/app:1"), ECR, "AWS", &password).await.unwrap().unwrap_err();
    assert!(late.contains("authorization token has expired"), "{late}");
}

#[tokio::test]
async fn an_acr_refresh_token_pulls_until_it_is_revoked_and_from_its_own_registry_only() {
    let net = Net::start().await;
    let _registry = registry(&net, &[("acme.azurecr.io", "team/app"), ("other.azurecr.io", "team/app")]).await;
    let token = azure::refresh_token(&net).await;
    let pull = async |host: &str| {
        skopeo(&net, &format!("{host}/team/app:1"), host, "00000000-0000-0000-0000-000000000000", &token).await
    };
    let Some(seen) = pull("acme.azurecr.io").await else { return };
    assert_eq!(seen.expect("pulled")["Os"], "linux");
    assert!(pull("other.azurecr.io").await.unwrap().is_err());
    net.clouds().revoke(&token);
    let late = pull("acme.azurecr.io").await.unwrap().unwrap_err();
    assert!(late.contains("authentication required") || late.contains("unauthorized"), "{late}");
}

#[tokio::test]
async fn a_docker_hub_token_pulls_private_images_and_strangers_only_public_ones() {
    let net = Net::start().await;
    let _registry = registry(&net, &[("docker.io", "acme/app"), ("docker.io", "library/nginx")]).await;
    let key = "https://index.docker.io/v1/";
    let pull = async |image: &str, user: &str, password: &str| skopeo(&net, image, key, user, password).await;
    let Some(seen) = pull("docker.io/acme/app:1", seed::HUB_ORG, seed::HUB_ORG_TOKEN).await else { return };
    assert_eq!(seen.expect("pulled")["Os"], "linux");
    assert!(pull("docker.io/acme/app:1", seed::HUB_OWNER, seed::HUB_PASSWORD).await.unwrap().is_ok());
    assert!(pull("docker.io/acme/app:1", seed::HUB_ORG, "wrong").await.unwrap().is_err());
    let url = "https://auth.docker.io/token?service=registry.docker.io\
               &scope=repository:acme/app:pull&scope=repository:library/nginx:pull";
    let anonymous = answer(net.get(url)).await.json["token"].as_str().unwrap().to_owned();
    for (repository, status) in [("library/nginx", 200), ("acme/app", 401)] {
        let manifest = net.get(&format!("https://registry-1.docker.io/v2/{repository}/manifests/1"));
        let manifest = manifest.header("accept", MANIFEST).bearer_auth(&anonymous);
        assert_eq!(answer(manifest).await.status, status, "{repository}");
    }
}

#[tokio::test]
async fn without_a_credential_each_registry_challenges_in_its_own_way() {
    let net = Net::start().await;
    for (host, challenge) in [
        (ECR, r#"Basic realm="https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#),
        ("acme.azurecr.io", r#"Bearer realm="https://acme.azurecr.io/oauth2/token",service="acme.azurecr.io""#),
        ("registry-1.docker.io", r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#),
        ("public.ecr.aws", r#"Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws""#),
    ] {
        let ping = answer(net.get(&format!("https://{host}/v2/"))).await;
        assert_eq!((ping.status, ping.challenge.as_str()), (401, challenge));
    }
    assert_eq!(net.clouds().verifications(), 4);
}
