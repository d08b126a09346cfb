//! A real kubelet and containerd, and images under their production names.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::conditions::is_pod_running;
use kube::runtime::wait::await_condition;
use world::Node;

use crate::scene::{ACR, ECR, HUB_MINTED, Scene};
use crate::secrets::{ACR_HOST, ECR_HOST, HUB_HOST, dockerconfigjson, password};

/// How long each credential lives.
const LIFE: Duration = Duration::from_secs(24);

/// A registry's name, its key in the Secret, and the image that it guards, without the tag.
const IMAGES: [(&str, &str, &str); 3] = [
    ("acr", ACR_HOST, "acme.azurecr.io/team/app"),
    ("ecr", ECR_HOST, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"),
    ("hub", HUB_HOST, "docker.io/acme/app"),
];

struct Pods<'a> {
    scene: &'a Scene,
    node: &'a Node,
    api: Api<Pod>,
}

impl Pods<'_> {
    /// A pod in the one namespace, with the Secret that pullmint keeps for this registry.
    async fn create(&self, name: &str, registry: &str, image: &str) {
        let pod = self.node.pod("pods-0", name, image, &[&format!("pullmint-{registry}")]);
        self.api.create(&PostParams::default(), &pod).await.expect("a pod");
    }

    async fn until(&self, name: &str, what: &str, condition: impl kube::runtime::wait::Condition<Pod>) {
        let waited = await_condition(self.api.clone(), name, condition);
        match tokio::time::timeout(Duration::from_secs(60), waited).await {
            Ok(seen) => drop(seen.expect("a watch")),
            Err(_) => {
                let status = self.api.get(name).await.map(|pod| pod.status);
                panic!("pod {name} never came to be {what}: {status:#?}\npullmint said:\n{}", self.scene.log());
            }
        }
    }
}

/// The kubelet's words for an image that it did not get.
fn is_refused(pod: Option<&Pod>) -> bool {
    let statuses = pod.and_then(|pod| pod.status.as_ref()).and_then(|status| status.container_statuses.as_ref());
    let waiting = statuses.into_iter().flatten().filter_map(|status| status.state.as_ref()?.waiting.as_ref());
    let mut reasons = waiting.filter_map(|waiting| waiting.reason.as_deref());
    reasons.any(|reason| matches!(reason, "ErrImagePull" | "ImagePullBackOff"))
}

#[tokio::test]
async fn pods_that_were_refused_run_with_pullmint_and_new_ones_still_pull_after_the_first_credential_has_died() {
    if let Err(why) = Node::available() {
        return world::skip(&why);
    }
    let scene = Scene::start("pods", 1).await;
    let node = scene.node().await;
    let pods = Pods { scene: &scene, node: &node, api: Api::namespaced(scene.client.clone(), "pods-0") };
    scene.stage.push_images_as("2").await.expect("images");

    join_all(IMAGES.map(async |(registry, _, image)| {
        let name = format!("before-{registry}");
        pods.create(&name, registry, &format!("{image}:1")).await;
        pods.until(&name, "refused its image", is_refused).await;
    }))
    .await;

    scene.around.set_life(LIFE);
    for (name, toml) in [("ecr", ECR), ("acr", ACR), ("hub", HUB_MINTED)] {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let _pullmint = scene.run();
    join_all(IMAGES.map(|(registry, host, image)| lives_on(&pods, registry, host, image))).await;
}

async fn lives_on(pods: &Pods<'_>, registry: &str, host: &str, image: &str) {
    let first = pods.scene.until_secret("pods-0", &format!("pullmint-{registry}")).await;
    pods.until(&format!("before-{registry}"), "running", is_pod_running()).await;

    let clouds = &pods.scene.around.clouds;
    let dead = async || (!clouds.is_live(&password(&first, host))).then_some(());
    pods.scene.until("the first credential to die", LIFE * 2, dead).await;
    if let Some(opened) = pods.scene.open(&format!("{image}:2"), &dockerconfigjson(&first)).await {
        assert!(opened.is_err(), "{image} opens to a dead credential");
    }
    let name = format!("after-{registry}");
    pods.create(&name, registry, &format!("{image}:2")).await;
    pods.until(&name, "running", is_pod_running()).await;
}
