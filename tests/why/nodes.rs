//! Causes that lie on a node and that no test can give it: their pods have the status that kubelets report for them.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bed::Bed;

const NAMESPACE: &str = "nodes";
const IMAGE: &str = "public.ecr.aws/acme/app:1";

/// What a kubelet says of a pod's only container.
struct Word {
    code: &'static str,
    pod: &'static str,
    node: &'static str,
    image: &'static str,
    reason: &'static str,
    message: &'static str,
}

const WORDS: &[Word] = &[
    Word {
        code: "PM602",
        pod: "unpack",
        node: "full",
        image: IMAGE,
        reason: "ErrImagePull",
        message: "rpc error: code = Unknown desc = failed to pull and unpack image \"public.ecr.aws/acme/app:1\": failed to \
            extract layer sha256:5dacd731af1b0386ead06c8b1feff9f65d9e0bdfec032d2cd0bc03690698feda: mount callback failed on \
            /var/lib/containerd/tmpmounts/containerd-mount252943319: write /var/lib/containerd/tmpmounts/\
            containerd-mount252943319/lib/libc.so: no space left on device: unknown",
    },
    Word {
        code: "PM602",
        pod: "pressure",
        node: "pressed",
        image: IMAGE,
        reason: "ImagePullBackOff",
        message: "Back-off pulling image \"public.ecr.aws/acme/app:1\"",
    },
    Word {
        code: "PM603",
        pod: "haste",
        node: "crowded",
        image: IMAGE,
        reason: "ImagePullBackOff",
        message: "Back-off pulling image \"public.ecr.aws/acme/app:1\": ErrImagePull: pull QPS exceeded",
    },
    Word {
        code: "PM604",
        pod: "stale",
        node: "stale",
        image: "docker.io/acme/app:1",
        reason: "ImagePullBackOff",
        message: "Back-off pulling image \"docker.io/acme/app:1\": ErrImagePull: failed to pull and unpack image \
            \"docker.io/acme/app:1\": failed to resolve reference \"docker.io/acme/app:1\": pull access denied, repository \
            does not exist or may require authorization: server message: insufficient_scope: authorization failed",
    },
    Word {
        code: "PM605",
        pod: "inspect",
        node: "crio",
        image: "acme/app:1",
        reason: "ImageInspectError",
        message: "Failed to inspect image \"\": rpc error: code = Unknown desc = short name mode is enforcing, but image name \
            acme/app:1 returns ambiguous list",
    },
    Word {
        code: "PM605",
        pod: "prompt",
        node: "crio",
        image: "acme/app:1",
        reason: "ErrImagePull",
        message: "rpc error: code = Unknown desc = short-name resolution enforced but cannot prompt without a TTY",
    },
];

/// In a cluster whose Docker Hub credential is the Secret `hub`.
pub(crate) async fn are_blamed_where_they_are_at_fault(bed: &Bed, hub: &k8s_openapi::api::core::v1::Secret) {
    bed.namespace(NAMESPACE).await;
    bed.secret(NAMESPACE, hub).await;
    for name in ["full", "pressed", "crowded", "stale", "crio", "good"] {
        node(bed, name).await;
    }
    for word in WORDS {
        let waiting = json!({"waiting": {"reason": word.reason, "message": word.message}});
        pod(bed, word.pod, word.node, word.image, &waiting).await;
    }
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    pod(bed, "well", "good", "docker.io/acme/app:1", &running).await;
    for word in WORDS {
        let said = bed.why(&[word.pod, "-n", NAMESPACE, "--output", "json"]).await;
        // That an image runs elsewhere is seen where all pods are looked at.
        let said = if word.code == "PM604" { bed.why(&["-n", NAMESPACE, "--output", "json"]).await } else { said };
        let report = said.json();
        let is_its =
            |group: &&Value| group["subjects"].as_array().is_some_and(|s| s.iter().any(|s| s["pod"] == word.pod));
        let group = report["findings"].as_array().expect("findings").iter().find(is_its);
        assert_eq!(group.expect("a finding")["code"], word.code, "{}: {report:#}", word.pod);
    }
}

async fn node(bed: &Bed, name: &str) {
    let nodes: Api<Node> = Api::all(bed.client.clone());
    let labels = json!({"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
    let node = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("a node");
    nodes.create(&PostParams::default(), &node).await.expect("a node");
    let is_pressed = if name == "pressed" { "True" } else { "False" };
    let status = json!({"status": {
        "conditions": [{"type": "DiskPressure", "status": is_pressed, "reason": "KubeletHasDiskPressure"}],
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "", "kubeletVersion": "",
            "containerRuntimeVersion": "", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
        },
    }});
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("a status");
}

async fn pod(bed: &Bed, name: &str, node: &str, image: &str, state: &Value) {
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let pod = json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": node, "imagePullSecrets": [{"name": "hub"}], "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "app", "image": image}],
        },
    });
    let pod = serde_json::from_value(pod).expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("a pod");
    let status = Patch::Merge(world::node::pending(image, state));
    pods.patch_status(name, &PatchParams::default(), &status).await.expect("a status");
}
