//! Credentials open a real registry, under the registries' own names, exactly while they live and for what they may
//! read. Needs distribution's registry binary; says so and passes where there is none yet.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use world::clouds::{Service, seed};

use super::{Net, answer, aws, azure};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry process behind the fronts; it ends when dropped.
struct Registry {
    url: String,
    _process: Child,
    _dir: tempfile::TempDir,
}

impl Registry {
    async fn behind(net: &Net) -> Option<Self> {
        let Some(binary) = binary() else {
            println!("skipped: no registry binary was built yet");
            return None;
        };
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let trust = net.clouds().token_trust();
        let config = json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": dir.path().join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
            "auth": {"token": {
                "realm": trust.realm, "service": trust.service, "issuer": trust.issuer,
                "rootcertbundle": trust.rootcertbundle,
            }},
        });
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        let process = Command::new(binary)
            .args(["serve".as_ref(), file.as_path()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        for _ in 0..100 {
            if net.get(&format!("{url}/v2/")).send().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        net.clouds().attach_registry(&url);
        Some(Self { url, _process: process, _dir: dir })
    }

    /// Pushes a tiny image past the fronts.
    async fn push(&self, net: &Net, host: &str, repository: &str, tag: &str) {
        let name = net.clouds().internal_name(host, repository).unwrap();
        let bearer = net.clouds().admin_bearer(&format!("repository:{name}:pull,push"));
        let blob = async |content: &[u8], media: &str| -> Value {
            let digest = format!("sha256:{}", hex(&Sha256::digest(content)));
            let upload = net.post(&format!("{}/v2/{name}/blobs/uploads/", self.url)).bearer_auth(&bearer);
            let location = answer(upload).await.header("location").to_owned();
            let put = net.http.put(format!("{location}&digest={digest}")).bearer_auth(&bearer).body(content.to_vec());
            assert_eq!(answer(put).await.status, 201);
            json!({"mediaType": media, "digest": digest, "size": content.len()})
        };
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let config = blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json").await;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
        let put = net.http.put(format!("{}/v2/{name}/manifests/{tag}", self.url)).bearer_auth(&bearer);
        let put = answer(put.header("content-type", MANIFEST).body(manifest.to_string())).await;
        assert_eq!(put.status, 201, "{put:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The binary that the cluster half of this crate builds.
fn binary() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/world-bin");
    let versions = std::fs::read_dir(built).ok()?.flatten();
    versions.map(|version| version.path().join("registry")).find(|binary| binary.exists())
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
        println!("skipped: no skopeo");
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
    let Some(registry) = Registry::behind(&net).await else { return };
    registry.push(&net, ECR, "team/app", "1").await;
    net.clouds().set_life(Service::Ecr, Duration::from_secs(5));
    aws::ecr(&net, &aws::user(), "https://api.ecr.eu-west-1.amazonaws.com/", "eu-west-1").await;
    let password = net.newest(Service::Ecr);
    for host in [ECR, "123456789012.dkr-ecr.eu-west-1.on.aws"] {
        let Some(seen) = skopeo(&net, &format!("{host}/team/app:1"), host, "AWS", &password).await else { return };
        assert_eq!(seen.expect("pulled")["Os"], "linux");
    }
    let stranger = "999999999999.dkr.ecr.eu-west-1.amazonaws.com";
    let denied = net.get(&format!("https://{stranger}/v2/team/app/manifests/1")).basic_auth("AWS", Some(&password));
    assert!(answer(denied).await.text.contains("ecr:BatchGetImage"));

    while net.clouds().is_live(&password) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = skopeo(&net, &format!("{ECR}/team/app:1"), ECR, "AWS", &password).await.unwrap().unwrap_err();
    assert!(late.contains("authorization token has expired"), "{late}");
}

#[tokio::test]
async fn an_acr_refresh_token_pulls_until_it_is_revoked_and_from_its_own_registry_only() {
    let net = Net::start().await;
    let Some(registry) = Registry::behind(&net).await else { return };
    registry.push(&net, "acme.azurecr.io", "team/app", "1").await;
    registry.push(&net, "other.azurecr.io", "team/app", "1").await;
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
    let Some(registry) = Registry::behind(&net).await else { return };
    registry.push(&net, "docker.io", "acme/app", "1").await;
    registry.push(&net, "docker.io", "library/nginx", "1").await;
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
