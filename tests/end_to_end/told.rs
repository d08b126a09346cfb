//! What people hear of a running pullmint without asking it: the Events of all kinds, where they look for them.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use world::clouds::{Fault, Service};

use crate::scene::{ECR, PATIENCE, Scene};

/// Namespace and reason.
type Word = (String, String);

impl Scene {
    async fn words(&self) -> BTreeSet<Word> {
        let events = Api::<Event>::all(self.client.clone()).list(&ListParams::default()).await.expect("events");
        let ours = events.items.into_iter().filter_map(|event| {
            let namespace = event.metadata.namespace?;
            let is_ours = namespace == self.name || namespace.starts_with(&format!("{}-", self.name));
            is_ours.then_some((namespace, event.reason?))
        });
        ours.collect()
    }

    async fn until_told(&self, namespace: &str, reason: &str) {
        let word = (namespace.to_owned(), reason.to_owned());
        let told = async || self.words().await.contains(&word).then_some(());
        self.until(&format!("{word:?}"), PATIENCE, told).await;
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
