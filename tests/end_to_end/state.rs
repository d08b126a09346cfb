//! Whatever becomes of the state Secret costs a mint at most, and never an older credential over a newer one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use pullmint::credential::{Credential, Expiry};
use pullmint::keeper::slot::{Minted, Slot, Verification};
use pullmint::state::{Kept, StateError, StateSecret};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;
use world::clouds::{Service, seed};
use world::{Answer, HttpProxy};

use crate::scene::{ACR, ECR, PATIENCE, Scene, end_of, signal};
use crate::secrets::{ECR_HOST, password, version};

fn states(scene: &Scene) -> Api<Secret> {
    Api::namespaced(scene.client.clone(), scene.name)
}

async fn until_saved(scene: &Scene) -> Secret {
    scene.until_secret(scene.name, "pullmint-state").await
}

/// Runs one until the Secret is there, another one than before, and stops it. Returns Secret and state.
async fn one_life(scene: &Scene, before: &Secret) -> (Secret, Secret) {
    let mut pullmint = scene.run();
    let secret = scene.until_changed(&format!("{}-1", scene.name), "pullmint-ecr", before).await;
    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
    (secret, until_saved(scene).await)
}

/// One life, in which this is said of the state that it finds, and the credentials of these registries are saved.
async fn finds(scene: &Scene, life: &str, words: &[&str], registries: &[&str]) {
    let before = scene.secret(scene.name, "pullmint-state").await.unwrap_or_default();
    let mut pullmint = scene.run_as(life);
    scene.until_said_by(life, words).await;
    let saved = async || {
        let state = scene.secret(scene.name, "pullmint-state").await?;
        let data = state.data.as_ref()?;
        (registries.iter().all(|name| data.contains_key(*name))
            && state.metadata.resource_version != before.metadata.resource_version)
            .then_some(())
    };
    scene.until("a state that holds all", PATIENCE, saved).await;
    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
}

async fn lose(scene: &Scene) {
    states(scene).delete("pullmint-state", &Default::default()).await.expect("deleted");
}

async fn serves_another(scene: &Scene) -> Secret {
    let prefix = format!("{}-new", scene.name);
    world::create_namespaces(&scene.client, &prefix, 1, &[]).await.expect("a namespace");
    scene.until_secret(&format!("{prefix}-0"), "pullmint-ecr").await
}

#[tokio::test]
async fn a_state_restored_from_a_backup_puts_no_older_credential_over_a_newer_one() {
    let scene = Scene::start("backup", 2).await;
    scene.configure("ecr.toml", ECR);
    let (first, backup) = one_life(&scene, &Secret::default()).await;
    lose(&scene).await;
    let (second, _state) = one_life(&scene, &first).await;
    assert_eq!(scene.around.clouds.mints(Service::Ecr), 2);

    lose(&scene).await;
    let restored = json!({"metadata": {"name": "pullmint-state"}, "type": backup.type_, "data": backup.data});
    let restored = serde_json::from_value(restored).expect("a Secret");
    states(&scene).create(&PostParams::default(), &restored).await.expect("restored");
    let _pullmint = scene.run();
    scene.until_said(&["WARN", "the state was written by somebody else", "writers="]).await;
    let another = serves_another(&scene).await;
    assert!(scene.around.clouds.is_live(&password(&another, ECR_HOST)));
    let after = scene.secret("backup-1", "pullmint-ecr").await.expect("it is still there");
    assert_eq!(version(&after), version(&second), "the newer one stays");
    assert_eq!(scene.around.clouds.mints(Service::Ecr), 2);
}

#[tokio::test]
async fn a_secret_of_somebody_else_in_the_states_place_is_told_of_and_left_alone_and_the_work_goes_on() {
    let scene = Scene::start("occupied", 2).await;
    scene.configure("ecr.toml", ECR);
    let theirs = json!({"metadata": {"name": "pullmint-state"}, "type": "Opaque", "stringData": {"theirs": "yes"}});
    let theirs = serde_json::from_value(theirs).expect("a Secret");
    let theirs = states(&scene).create(&PostParams::default(), &theirs).await.expect("a Secret of theirs");
    let _pullmint = scene.run();
    scene.until_said(&["WARN", "cannot use the state", "type Opaque", "delete or rename it"]).await;
    serves_another(&scene).await;
    scene.until_said(&["WARN", "could not save the state", "type Opaque"]).await;
    assert_eq!(version(&until_saved(&scene).await), version(&theirs));
}

#[tokio::test]
async fn whatever_is_not_taken_over_is_told_with_its_reason() {
    let scene = Scene::start("reasons", 1).await;
    scene.configure("ecr.toml", ECR);
    finds(&scene, "first", &["INFO", "found no state"], &["ecr"]).await;
    scene.configure("ecr.toml", &format!("{ECR}role_arn = \"{}\"\n", seed::AWS_ROLE));
    finds(&scene, "other", &["INFO", NOTHING, "registry=ecr", "it is of other settings"], &["ecr"]).await;
    expire(&scene).await;
    finds(&scene, "expired", &["INFO", NOTHING, "registry=ecr", "it expired at 2026-01-01T00:00:00Z"], &["ecr"]).await;
    scene.configure("acr.toml", ACR);
    finds(&scene, "new", &["INFO", NOTHING, "registry=acr", "there is none"], &["acr", "ecr"]).await;
    lose(&scene).await;
    finds(&scene, "lost", &["INFO", "found no state"], &["acr", "ecr"]).await;
    assert_eq!([Service::Ecr, Service::AcrExchange].map(|service| scene.around.clouds.mints(service)), [4, 2]);
}

const NOTHING: &str = "the state holds no credential to go on with";

/// Lets the saved credential have expired.
async fn expire(scene: &Scene) {
    let data = until_saved(scene).await.data.expect("data");
    let mut record: Value = serde_json::from_slice(&data["ecr"].0).expect("JSON");
    record["expiry"] = json!({"at": "2026-01-01T00:00:00Z"});
    let patch = json!({"data": {"ecr": ByteString(record.to_string().into_bytes())}});
    states(scene).patch("pullmint-state", &PatchParams::default(), &Patch::Merge(patch)).await.expect("expired");
}

#[tokio::test]
async fn a_credential_that_nobody_was_to_try_is_no_doubtful_one_after_a_restart() {
    let scene = Scene::start("untried", 0).await;
    let state = StateSecret::new(scene.client.clone(), "untried");
    for (verify, expected) in [(false, Verification::Skipped), (true, Verification::Accepted)] {
        scene.configure("ecr.toml", &format!("{ECR}verify = {verify}\n"));
        state.save(&minted(&scene, i64::from(verify), expected.clone())).await.expect("saved");
        let settings = pullmint::config::load(scene.around.config()).expect("settings");
        let slots = state.load(settings.registries.iter(), || Timestamp::UNIX_EPOCH).await;
        let current = slots.into_values().next().and_then(|slot| slot.current).expect("a credential");
        assert_eq!(current.verification, expected);
    }
}

/// A registry with a credential that was minted at this moment.
fn minted(scene: &Scene, second: i64, verification: Verification) -> Kept {
    let settings = pullmint::config::load(scene.around.config()).expect("settings");
    let minted_at = Timestamp::from_second(1_800_000_000 + second).expect("an instant");
    let credential = Credential {
        username: "AWS".to_owned(),
        password: format!("minted-at-{second}").into(),
        expiry: Expiry::Never,
        handle: None,
    };
    let minted = Minted { credential, minted_at, verification, verified_at: None };
    let slot = Slot { current: Some(Arc::new(minted)), ..Slot::default() };
    settings.registries.into_iter().map(|registry| (registry, watch::channel(slot.clone()).1)).collect()
}

/// A client whose requests go through this proxy.
async fn client_via(scene: &Scene, proxy: &HttpProxy) -> kube::Client {
    world::client(&scene.around.kubeconfig_via(&proxy.url()).expect("a kubeconfig")).await.expect("a client")
}

#[tokio::test]
async fn of_two_that_save_at_once_the_later_one_is_told_so_and_the_newest_credential_stays() {
    let scene = Scene::start("rivals", 0).await;
    scene.configure("ecr.toml", ECR);
    let quick = StateSecret::new(scene.client.clone(), "rivals");
    // At first there is no state yet, and then there is one.
    for (older, newer) in [(1, 2), (3, 4)] {
        let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
        let slow = StateSecret::new(client_via(&scene, &proxy).await, "rivals");
        let detained = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&detained);
        proxy.set(move |request| {
            if request.method != "PATCH" {
                return Answer::Pass;
            }
            count.fetch_add(1, Ordering::Relaxed);
            Answer::Detain
        });
        let late = minted(&scene, older, Verification::Accepted);
        let (told, ()) = tokio::join!(slow.save(&late), async {
            let under_way = async || (detained.load(Ordering::Relaxed) == 1).then_some(());
            scene.until("a write on its way", PATIENCE, under_way).await;
            quick.save(&minted(&scene, newer, Verification::Accepted)).await.expect("saved");
            proxy.release();
        });
        assert!(matches!(told, Err(StateError::Outdated)), "{told:?}");
        slow.save(&late).await.expect("a state that has all");
        let data = until_saved(&scene).await.data.expect("data");
        let record: Value = serde_json::from_slice(&data["ecr"].0).expect("JSON");
        assert_eq!(record["password"], format!("minted-at-{newer}"));
    }
}

#[tokio::test]
async fn a_state_that_the_api_server_cannot_read_is_waited_for_a_few_times_and_no_more() {
    let scene = Scene::start("unreadable", 0).await;
    scene.configure("ecr.toml", ECR);
    let settings = pullmint::config::load(scene.around.config()).expect("settings");
    let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    proxy.set(move |request| {
        if !request.uri.path().ends_with("/pullmint-state") {
            return Answer::Pass;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Answer::Instead { status: 500, retry_after: None, body: "no key opens it" }
    });
    let state = StateSecret::new(client_via(&scene, &proxy).await, "unreadable");
    let slots = state.load(settings.registries.iter(), || Timestamp::UNIX_EPOCH).await;
    assert!(slots.is_empty());
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}
