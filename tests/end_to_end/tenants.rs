//! Tenants whose own pull Secrets hold canaries, and whose pods name them: what `why` and `audit` read.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A Secret for each way to hold a credential, good and broken, with a password of its own.
const SECRETS: [&str; 7] = [
    "tenant-auth",
    "tenant-dockercfg",
    "tenant-elsewhere",
    "tenant-identity",
    "tenant-opaque",
    "tenant-password",
    "tenant-undecodable",
];

/// Images of every registry.
const IMAGES: [&str; 5] = [
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1",
    "acme.azurecr.io/team/app:1",
    "acme.azurecr.io/team/none:1",
    "docker.io/acme/app:1",
    "public.ecr.aws/acme/app:1",
];

/// A node that is but written down. Without it the pods would be deleted soon.
const NODE: &str = "tenants-node";

/// The registry that the tenants' Secrets are for.
const HOST: &str = "acme.azurecr.io";

/// What no output may show: the passwords in these Secrets.
pub(crate) fn canaries() -> BTreeSet<String> {
    SECRETS.map(canary).into()
}

fn canary(name: &str) -> String {
    format!("CANARY/of+{name}=")
}

/// Makes the Secrets, for each a pod that waits in vain with it alone, and one that names only Secrets of pullmint's.
pub(crate) async fn move_in(scene: &Scene, namespace: &str, own: &[&str]) {
    let node: Node = serde_json::from_value(json!({"metadata": {"name": NODE}})).expect("a node");
    Api::all(scene.client.clone()).create(&PostParams::default(), &node).await.expect("a node");
    let secrets = Api::<Secret>::namespaced(scene.client.clone(), namespace);
    for name in SECRETS {
        let secret = serde_json::from_value(secret(name)).expect("a Secret");
        secrets.create(&PostParams::default(), &secret).await.expect("a Secret");
        waits(scene, namespace, &format!("{name}-pod"), &[name]).await;
    }
    waits(scene, namespace, "own-pod", own).await;
}

fn secret(name: &str) -> Value {
    let password = canary(name);
    let auth = STANDARD.encode(format!("tenant:{password}"));
    let (mut kind, mut key) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");
    let content = match name {
        "tenant-auth" => json!({"auths": {HOST: {"auth": auth}}}),
        "tenant-dockercfg" => {
            (kind, key) = ("kubernetes.io/dockercfg", ".dockercfg");
            json!({HOST: {"auth": auth}})
        }
        "tenant-elsewhere" => json!({"auths": {"https://elsewhere.example.com/v1/": {"auth": auth}}}),
        "tenant-identity" => json!({"auths": {HOST: {"username": "tenant", "identitytoken": password}}}),
        "tenant-opaque" => {
            kind = "Opaque";
            json!({"auths": {HOST: {"auth": auth}}})
        }
        "tenant-undecodable" => json!({"auths": {HOST: {"auth": format!("!{password}")}}}),
        _ => json!({"auths": {HOST: {"username": "tenant", "password": password}}}),
    };
    json!({"metadata": {"name": name}, "type": kind, "stringData": {key: content.to_string()}})
}

async fn waits(scene: &Scene, namespace: &str, name: &str, secrets: &[&str]) {
    let secrets: Vec<_> = secrets.iter().map(|secret| json!({"name": secret})).collect();
    let called = |at: usize| format!("c{at}");
    let containers = IMAGES.iter().enumerate().map(|(at, image)| json!({"name": called(at), "image": image}));
    let pod = json!({
        "metadata": {"name": name},
        "spec": {"nodeName": NODE, "containers": containers.collect::<Vec<_>>(), "imagePullSecrets": secrets},
    });
    let pods = Api::<Pod>::namespaced(scene.client.clone(), namespace);
    pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod")).await.expect("a pod");
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}});
    let states = IMAGES.iter().enumerate().map(|(at, image)| {
        let name = called(at);
        json!({"name": name, "image": image, "imageID": "", "ready": false, "restartCount": 0, "state": state})
    });
    let status = json!({"status": {"phase": "Pending", "containerStatuses": states.collect::<Vec<_>>()}});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("a status");
}
