//! What people hear of a running pullmint without asking it: the Events of all kinds, where they look for them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use world::clouds::{Fault, Service};

use crate::scene::{ECR, PATIENCE, Scene};

impl Scene {
    /// Waits for an Event with this reason in this namespace.
    pub(crate) async fn until_told(&self, namespace: &str, reason: &str) -> Event {
        let events = Api::<Event>::namespaced(self.client.clone(), namespace);
        let told = async || {
            let events = events.list(&ListParams::default()).await.expect("events").items;
            events.into_iter().find(|event| event.reason.as_deref() == Some(reason))
        };
        self.until(&format!("an Event {reason} in {namespace}"), PATIENCE, told).await
    }
}

#[tokio::test]
async fn from_the_election_to_a_recovery_each_thing_that_happens_is_told_in_its_namespace() {
    let scene = Scene::start("told", 2).await;
    scene.around.clouds.set_life(Service::Ecr, Duration::from_secs(20));
    scene.configure("ecr.toml", ECR);
    let secrets = |namespace: &str| Api::<Secret>::namespaced(scene.client.clone(), namespace);
    let theirs = json!({ "metadata": { "name": "pullmint-ecr" }, "stringData": { "theirs": "theirs" } });
    let by = PostParams { field_manager: Some("somebody".to_owned()), dry_run: false };
    let theirs = serde_json::from_value(theirs).expect("a Secret");
    secrets("told-0").create(&by, &theirs).await.expect("a Secret of somebody else's");

    let _pullmint = scene.run();
    scene.until_told("told", "LeaderElected").await;
    scene.until_told("told", "Minted").await;
    scene.until_told("told-0", "Refused").await;
    scene.until_secret("told-1", "pullmint-ecr").await;
    let spoilt = Patch::Merge(json!({ "data": { ".dockerconfigjson": "e30=" } }));
    secrets("told-1").patch("pullmint-ecr", &PatchParams::default(), &spoilt).await.expect("a changed Secret");
    scene.until_told("told-1", "Repaired").await;
    scene.around.clouds.fail(Service::Ecr, Fault::Status(500));
    scene.until_told("told", "RenewalFailing").await;
    scene.around.clouds.heal(Service::Ecr);
    scene.until_told("told", "Recovered").await;
    scene.until_told("told", "Renewed").await;
}
