//! What a pullmint leaves behind is enough for the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rustix::process::Signal;
use serde_json::json;
use world::clouds::Service;
use world::process::Process;

use crate::scene::{ACR, ECR, HUB_MINTED, PATIENCE, Scene, end_of, signal};
use crate::secrets::version;

const NAMES: [&str; 3] = ["acr", "ecr", "hub"];
const MINTING: [Service; 3] = [Service::AcrExchange, Service::Ecr, Service::HubTokens];

/// All is written and saved, and pullmint still runs.
async fn settled(name: &'static str) -> (Scene, Process) {
    let scene = Scene::start(name, 5).await;
    for (name, toml) in NAMES.iter().zip([ACR, ECR, HUB_MINTED]) {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let pullmint = scene.run();
    for (namespace, secret) in all(name) {
        scene.until_secret(&namespace, &secret).await;
    }
    let saved = async || {
        let data = scene.secret(name, "pullmint-state").await?.data?;
        NAMES.iter().all(|name| data.contains_key(*name)).then_some(())
    };
    scene.until("the state", PATIENCE, saved).await;
    (scene, pullmint)
}

/// The same, after a stop in good order, so that the next one leads at once.
async fn stopped(name: &'static str) -> Scene {
    let (scene, mut pullmint) = settled(name).await;
    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
    scene
}

fn all(name: &str) -> impl Iterator<Item = (String, String)> {
    let name = name.to_owned();
    (0..5).flat_map(move |number| {
        let name = name.clone();
        NAMES.map(|registry| (format!("{name}-{number}"), format!("pullmint-{registry}")))
    })
}

async fn versions(scene: &Scene) -> BTreeMap<(String, String), String> {
    let mut versions = BTreeMap::new();
    for (namespace, secret) in all(scene.name) {
        let object = scene.secret(&namespace, &secret).await.expect("a Secret");
        versions.insert((namespace, secret), version(&object));
    }
    versions
}

/// A namespace made now is served after all that were there before.
async fn serves_another(scene: &Scene) {
    world::create_namespaces(&scene.client, &format!("{}-new", scene.name), 1, &[]).await.expect("a namespace");
    for registry in NAMES {
        scene.until_secret(&format!("{}-new-0", scene.name), &format!("pullmint-{registry}")).await;
    }
}

#[tokio::test]
async fn after_a_kill_fresh_credentials_are_taken_over_without_a_mint_or_a_write() {
    let (scene, mut pullmint) = settled("restart").await;
    pullmint.kill();
    let mints = MINTING.map(|service| scene.around.clouds.mints(service));
    let before = versions(&scene).await;
    let state = scene.secret("restart", "pullmint-state").await.expect("the state");
    let _pullmint = scene.run();
    serves_another(&scene).await;
    assert_eq!(MINTING.map(|service| scene.around.clouds.mints(service)), mints, "no mint");
    assert_eq!(versions(&scene).await, before, "no write");
    let after = scene.secret("restart", "pullmint-state").await.expect("the state");
    assert_eq!(version(&after), version(&state), "not even of the state");
}

/// What the storm is made of.
const SEED: u64 = 20;

#[tokio::test]
async fn twenty_restarts_at_any_moment_and_of_either_kind_cost_no_mint_and_no_write() {
    let (scene, mut pullmint) = settled("storm").await;
    let mints = MINTING.map(|service| scene.around.clouds.mints(service));
    let before = versions(&scene).await;
    let mut random = fastrand::Rng::with_seed(SEED);
    for round in 1..=20 {
        if round > 1 && random.u8(..5) == 0 {
            // A dead one's lease must run out before the next one works; most are gone again before that.
            scene.until_said_by(&format!("round-{}", round - 1), &["leading: minting and writing"]).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(..1000))).await;
        if random.bool() {
            pullmint.kill();
        } else {
            signal(&pullmint, Signal::TERM);
            end_of(&mut pullmint, PATIENCE).await;
        }
        pullmint = scene.run_as(&format!("round-{round}"));
    }
    serves_another(&scene).await;
    assert_eq!(MINTING.map(|service| scene.around.clouds.mints(service)), mints, "no mint; seed {SEED}");
    assert_eq!(versions(&scene).await, before, "no write; seed {SEED}");
}

#[tokio::test]
async fn a_damaged_state_costs_a_mint_and_nothing_else() {
    let scene = stopped("damaged").await;
    let state: Api<Secret> = Api::namespaced(scene.client.clone(), "damaged");
    let damage = json!({"data": {"ecr": ByteString(b"{\"password\": \"half a se".to_vec())}});
    state.patch("pullmint-state", &PatchParams::default(), &Patch::Merge(damage)).await.expect("damage");
    let _pullmint = scene.run();
    scene.until_said(&["WARN", "the state is damaged", "registry=ecr"]).await;
    serves_another(&scene).await;
    assert_eq!(MINTING.map(|service| scene.around.clouds.mints(service)), [1, 2, 1], "only ECR is minted anew");
    assert!(!scene.log().contains("half a se"), "what is damaged may be a secret still");
}

#[tokio::test]
async fn a_state_that_somebody_deleted_comes_back() {
    let scene = stopped("deleted").await;
    let state: Api<Secret> = Api::namespaced(scene.client.clone(), "deleted");
    state.delete("pullmint-state", &Default::default()).await.expect("deleted");
    let _pullmint = scene.run();
    serves_another(&scene).await;
    scene.until_secret("deleted", "pullmint-state").await;
    assert_eq!(MINTING.map(|service| scene.around.clouds.mints(service)), [2, 2, 2]);
}
