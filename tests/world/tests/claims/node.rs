//! A real kubelet pulls an image under its production name: refused without the pull Secret, running with it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
    runtime::{conditions, wait::await_condition},
};
use serde_json::json;
use world::{Image, Node, NodeOptions, Registry, RegistryAuth, RegistryOptions, World};

fn pull_is_refused(pod: Option<&Pod>) -> bool {
    let statuses = pod.and_then(|pod| pod.status.as_ref()).and_then(|status| status.container_statuses.as_ref());
    let waiting = statuses.into_iter().flatten().filter_map(|status| status.state.as_ref()?.waiting.as_ref());
    waiting.filter_map(|waiting| waiting.reason.as_deref()).any(|reason| reason == "ErrImagePull")
}

#[tokio::test]
async fn a_pod_is_refused_its_image_without_the_secret_and_runs_with_it() {
    if let Err(why) = Node::available() {
        return world::skip(&why);
    }
    let world = World::builder().start().await.unwrap();
    let auth = RegistryAuth::Basic { username: "ann".into(), password: "secret".into() };
    let registry = Registry::start(RegistryOptions { auth, ..RegistryOptions::default() }, &world.dir).await.unwrap();
    registry.push(&Image::new("app").await.unwrap(), &["team/app:1"]).await.unwrap();
    let mirrors = vec![("acme.azurecr.io".into(), registry.url())];
    let options = NodeOptions { mirrors, ..NodeOptions::default() };
    let node = Node::start(options, &world.control_plane, &world.dir).await.unwrap();

    let client = world.control_plane.client().await.unwrap();
    let auths = json!({"auths": {"acme.azurecr.io": {"auth": STANDARD.encode("ann:secret")}}});
    let secret = Secret {
        metadata: ObjectMeta { name: Some("pull".into()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/dockerconfigjson".into()),
        data: Some([(".dockerconfigjson".into(), ByteString(auths.to_string().into()))].into()),
        ..Secret::default()
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    secrets.create(&PostParams::default(), &secret).await.unwrap();

    let pods: Api<Pod> = Api::namespaced(client, "default");
    for (name, pull_secrets) in [("without", &[][..]), ("with", &["pull"][..])] {
        let pod = node.pod("default", name, "acme.azurecr.io/team/app:1", pull_secrets);
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let minute = Duration::from_secs(60);
    let refused = await_condition(pods.clone(), "without", pull_is_refused);
    tokio::time::timeout(minute, refused).await.expect("one pod is refused its image").unwrap();
    let running = await_condition(pods.clone(), "with", conditions::is_pod_running());
    tokio::time::timeout(minute, running).await.expect("the other pod runs").unwrap();
}
