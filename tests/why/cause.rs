//! Causes as they are made for real: what a pod wants, what its namespace has, and which code that must give.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use reqwest::Method;
use serde_json::{Value, json};
use world::clouds::{Service, seed};
use world::internet::{PLAIN_HTTP, UNTRUSTED};

use crate::bed::{Bed, ECR_HOST, HUB_KEY, login, only, pull_secret, typed};

pub(crate) const ACR: &str =
    "provider = \"acr\"\nlogin_servers = [\"acme.azurecr.io\"]\nidentity = \"workload-identity\"\n";
const OTHER_ACR: &str =
    "provider = \"acr\"\nlogin_servers = [\"other.azurecr.io\"]\nidentity = \"workload-identity\"\n";
const ECR: &str = "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"123456789012\"]\n";

/// One way to fail.
pub(crate) struct Cause {
    pub(crate) code: &'static str,
    /// Tells ways with the same code apart.
    pub(crate) way: &'static str,
    pub(crate) image: String,
    secrets: Vec<Secret>,
    /// The Secrets that the pod names.
    names: Vec<&'static str>,
    /// What the ServiceAccount comes to name once the pod is there.
    late: Option<&'static str>,
    policy: Option<&'static str>,
    is_init: bool,
    /// A Secret that the API server would refuse, and stores all the same.
    stored: Option<Value>,
}

impl Cause {
    pub(crate) fn new(code: &'static str, way: &'static str, image: impl Into<String>) -> Self {
        let (secrets, names) = (Vec::new(), Vec::new());
        Self { code, way, image: image.into(), secrets, names, late: None, policy: None, is_init: false, stored: None }
    }

    /// With a Secret that the pod names.
    fn with(mut self, secret: Secret) -> Self {
        self.names.push("pull");
        self.secrets.push(secret);
        self
    }

    /// With a Secret that the pod does not name.
    fn beside(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    fn naming(mut self, name: &'static str) -> Self {
        self.names.push(name);
        self
    }

    pub(crate) fn namespace(&self) -> String {
        format!("{}-{}", self.code.to_lowercase(), self.way)
    }

    pub(crate) async fn make(&self, bed: &Bed) {
        let namespace = self.namespace();
        bed.namespace(&namespace).await;
        for secret in &self.secrets {
            bed.secret(&namespace, secret).await;
        }
        if let Some(secret) = &self.stored {
            let key = format!("secrets/{namespace}/pull");
            let mut secret = secret.clone();
            secret["metadata"] = json!({"name": "pull", "namespace": namespace, "uid": namespace});
            bed.stage.world.control_plane.store(&key, &secret).await.expect("a Secret");
        }
        let node = bed.stage.world.node.as_ref().expect("a node");
        let mut pod = node.pod(&namespace, "app", &self.image, &self.names);
        let spec = pod.spec.as_mut().expect("a spec");
        spec.containers[0].image_pull_policy = self.policy.map(str::to_owned);
        if self.is_init {
            spec.init_containers = Some(spec.containers.clone());
            spec.init_containers.as_mut().expect("containers")[0].name = "init".into();
            spec.containers[0].image = Some(format!("{}-never-tried", self.image));
        }
        let pods: Api<Pod> = Api::namespaced(bed.client.clone(), &namespace);
        pods.create(&PostParams::default(), &pod).await.expect("a pod");
        if let Some(secret) = self.late {
            let accounts: Api<ServiceAccount> = Api::namespaced(bed.client.clone(), &namespace);
            let patch = Patch::Merge(json!({"imagePullSecrets": [{"name": secret}]}));
            accounts.patch("default", &PatchParams::default(), &patch).await.expect("a patch");
        }
    }

    /// Waits until the kubelet has said that it fails.
    pub(crate) async fn until_refused(&self, bed: &Bed) {
        let pods: Api<Pod> = Api::namespaced(bed.client.clone(), &self.namespace());
        let refused = async {
            loop {
                let pod = pods.get("app").await.expect("the pod");
                let reason =
                    reasons(&pod).find(|reason| !["ContainerCreating", "PodInitializing"].contains(&reason.as_str()));
                if reason.is_some() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(180), refused).await;
        assert!(waited.is_ok(), "{}: {:?}", self.namespace(), pods.get("app").await.expect("the pod").status);
    }
}

fn reasons(pod: &Pod) -> impl Iterator<Item = String> {
    let status = pod.status.clone().unwrap_or_default();
    let statuses = [status.init_container_statuses, status.container_statuses];
    statuses.into_iter().flatten().flatten().filter_map(|status| status.state?.waiting?.reason)
}

/// A token that says of itself what is asked for.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "ES256"})), part(claims))
}

/// With the label of pullmint, and an end that it should have renewed before.
pub(crate) fn managed(mut secret: Secret, expires: &str) -> Secret {
    secret.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "pullmint".to_owned())].into());
    secret.metadata.annotations = Some([("pullmint.dev/expires-at".to_owned(), expires.to_owned())].into());
    secret
}

pub(crate) async fn causes(bed: &Bed) -> Vec<Cause> {
    let clouds = &bed.stage.clouds;
    // Short lives and revocation come before what must live.
    clouds.set_life(Service::Ecr, Duration::from_secs(3));
    let (_, expired) = only(&bed.minted(ECR).await);
    clouds.set_life(Service::Ecr, Duration::from_secs(3600));
    let (_, revoked) = only(&bed.minted(ACR).await);
    assert!(clouds.revoke(&revoked));
    let (acr_user, other) = only(&bed.minted(OTHER_ACR).await);
    let (_, acr_password) = only(&bed.minted(ACR).await);
    let (_, ecr_password) = only(&bed.minted(ECR).await);

    let arm = bed.push("acme.azurecr.io", "team/arm", "1").await;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": arm["digest"],
            "size": arm.to_string().len(), "platform": {"os": "linux", "architecture": "s390x"}}],
    });
    bed.registry(Method::PUT, "acme.azurecr.io", "team/arm", "manifests/index", Some(&index)).await;
    let torn = bed.push("acme.azurecr.io", "team/torn", "1").await;
    let config = torn["config"]["digest"].as_str().expect("a digest");
    bed.registry(Method::DELETE, "acme.azurecr.io", "team/torn", &format!("blobs/{config}"), None).await;

    let acr = || pull_secret("pull", &login("acme.azurecr.io", &acr_user, &acr_password));
    let acr_as = |key: &str| pull_secret("pull", &login(key, &acr_user, &acr_password));
    let acr_with = |password: &str| pull_secret("pull", &login("acme.azurecr.io", &acr_user, password));
    let ecr_with = |password: &str| pull_secret("pull", &login(ECR_HOST, "AWS", password));
    let hub_as = |key: &str| pull_secret("pull", &login(key, seed::HUB_ORG, seed::HUB_ORG_TOKEN));
    let app = "acme.azurecr.io/team/app:1";
    let hub = "docker.io/acme/app:1";
    let ecr = format!("{ECR_HOST}/team/app:1");
    let soon = (jiff::Timestamp::from_second(clouds.now().as_second() + 7200)).expect("a time").as_second();
    let hidden = json!({"auths": {
        "docker.io": {"username": "acme", "password": "wrong"},
        HUB_KEY: {"username": seed::HUB_ORG, "password": seed::HUB_ORG_TOKEN},
    }});
    let named = |mut secret: Secret, name: &str| {
        secret.metadata.name = Some(name.to_owned());
        secret
    };
    let digest = format!("acme.azurecr.io/team/app:1@sha256:{}", "0".repeat(64));
    vec![
        Cause::new("PM101", "upper-case", "acme.azurecr.io/Team/app:1"),
        Cause::new("PM102", "absent", "acme.azurecr.io/team/none:1").with(acr()),
        Cause::new("PM103", "absent", "acme.azurecr.io/team/app:2").with(acr()),
        Cause { is_init: true, ..Cause::new("PM103", "init", "acme.azurecr.io/team/app:3").with(acr()) },
        Cause::new("PM104", "gone", digest).with(acr()),
        Cause::new("PM105", "implied", "acme.azurecr.io/team/app").with(acr()),
        Cause::new("PM106", "no-host", "team/app:1").with(acr()),
        Cause { policy: Some("Never"), ..Cause::new("PM107", "never", app).with(acr()) },
        Cause::new("PM201", "missing", app).naming("pull"),
        Cause::new("PM202", "beside", app).beside(acr()),
        Cause { late: Some("pull"), ..Cause::new("PM203", "late", app).beside(acr()) },
        Cause::new("PM204", "opaque", app).with(typed(
            "pull",
            "Opaque",
            ".dockerconfigjson",
            &login("acme.azurecr.io", "u", "p"),
        )),
        Cause {
            stored: Some(json!({
                "kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockercfg": STANDARD.encode(json!({"acme.azurecr.io": {}}).to_string())},
            })),
            ..Cause::new("PM205", "other-key", app).naming("pull")
        },
        Cause::new("PM206", "form", app)
            .with(pull_secret("pull", &json!({"auths": {"acme.azurecr.io": {"username": 1}}}))),
        Cause::new("PM207", "port", app).with(acr_as("acme.azurecr.io:443")),
        Cause::new("PM207", "path", app).with(acr_as("acme.azurecr.io/other")),
        Cause::new("PM207", "labels", app).with(acr_as("*.acme.azurecr.io")),
        Cause::new("PM207", "www", app).with(acr_as("www.acme.azurecr.io")),
        Cause::new("PM207", "typo", app).with(acr_as("acme.azurcr.io")),
        Cause::new("PM207", "slash", hub).with(hub_as("https://index.docker.io/v1")),
        Cause::new("PM207", "hub", hub).with(hub_as("registry-1.docker.io")),
        Cause::new("PM207", "region", ecr.clone())
            .with(pull_secret("pull", &login("123456789012.dkr.ecr.us-east-1.amazonaws.com", "AWS", &ecr_password))),
        Cause::new("PM207", "account", ecr.clone())
            .with(pull_secret("pull", &login("210987654321.dkr.ecr.eu-west-1.amazonaws.com", "AWS", &ecr_password))),
        Cause::new("PM208", "base64", app)
            .with(pull_secret("pull", &json!({"auths": {"acme.azurecr.io": {"auth": "%%%"}}}))),
        Cause::new("PM208", "colon", app)
            .with(pull_secret("pull", &json!({"auths": {"acme.azurecr.io": {"auth": "dXNlcg=="}}}))),
        Cause::new("PM209", "helpers", app).with(pull_secret("pull", &json!({"credsStore": "desktop"}))),
        Cause::new("PM210", "hidden", hub).with(pull_secret("pull", &hidden)),
        Cause::new("PM211", "foreign", app).naming("kept").beside(named(acr_with("nonsense"), "kept")),
        Cause::new("PM301", "policy", "333333333333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1")
            .with(pull_secret("pull", &login("333333333333.dkr.ecr.eu-west-1.amazonaws.com", "AWS", &ecr_password))),
        Cause::new("PM302", "ecr", ecr).with(ecr_with(&expired)),
        Cause::new("PM303", "revoked", app).with(acr_with(&revoked)),
        Cause::new("PM303", "wrong", hub).with(pull_secret("pull", &login(HUB_KEY, "acme", "wrong"))),
        Cause::new("PM304", "clock", app).with(acr_with(&jwt(&json!({"nbf": soon, "exp": soon + 3600})))),
        Cause::new("PM305", "registry", app).with(acr_with(&other)),
        Cause::new("PM306", "nobody", hub),
        Cause::new("PM307", "stale", app)
            .naming("stale")
            .beside(managed(named(acr_with("nonsense"), "stale"), "2026-01-01T00:00:00Z")),
        Cause::new("PM401", "throttled", "public.ecr.aws/acme/app:1"),
        Cause::new("PM404", "torn", "acme.azurecr.io/team/torn:1").with(acr()),
        Cause::new("PM501", "dns", "nowhere.example.com/app:1"),
        Cause::new("PM502", "refused", "127.0.0.1:9/app:1"),
        Cause::new("PM503", "issuer", format!("{UNTRUSTED}/app:1")),
        Cause::new("PM504", "http", format!("{PLAIN_HTTP}/app:1")),
        Cause::new("PM601", "platform", "acme.azurecr.io/team/arm:index").with(acr()),
    ]
}
