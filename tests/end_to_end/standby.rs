//! Two pullmints in one namespace: one works, and the other takes over, whatever happens to the first.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use pullmint::clock::{Clock, SystemClock};
use rustix::process::Signal;
use world::Fault;
use world::clouds::Service;
use world::process::Process;

use crate::scene::{ECR, PATIENCE, Scene, end_of, signal, time_of};
use crate::secrets::{ECR_HOST, password, version};
use crate::thousand::{self, mints, until_all_are_right, until_the_middle};
use crate::witness::{Witness, minted_at};

/// How long a leader is trusted that gives no sign of life.
const LEASE: Duration = Duration::from_secs(15);

const LEADING: &str = "leading: minting and writing";

/// `a`, when it leads.
async fn leader(scene: &Scene) -> Process {
    let a = scene.run_as("a");
    scene.until_said_by("a", &[LEADING]).await;
    a
}

/// `b`, when it stands by for `a`.
async fn standby(scene: &Scene) -> Process {
    let b = scene.run_as("b");
    scene.until_said_by("b", &["standing by", "\"a\""]).await;
    b
}

/// So that the next leader mints anew: then the two have different credentials to write, and each believes in its own.
async fn lose_the_state(scene: &Scene) {
    let state = Api::<Secret>::namespaced(scene.client.clone(), scene.name);
    state.delete("pullmint-state", &Default::default()).await.expect("deleted");
}

async fn serves(scene: &Scene, namespace: &str) {
    world::create_namespaces(&scene.client, namespace, 1, &[]).await.expect("a namespace");
    scene.until_secret(&format!("{namespace}-0"), "pullmint-ecr").await;
}

#[tokio::test]
async fn after_a_clean_stop_the_standby_leads_at_once_without_a_mint_or_a_write() {
    let scene = Scene::start("handover", 2).await;
    scene.configure("ecr.toml", ECR);
    let mut a = leader(&scene).await;
    let _b = standby(&scene).await;
    let before = scene.until_secret("handover-1", "pullmint-ecr").await;
    signal(&a, Signal::TERM);
    let stopped_at = SystemClock.uptime();
    assert_eq!(end_of(&mut a, PATIENCE).await, Some(0));
    scene.until_said_by("b", &[LEADING]).await;
    let took = SystemClock.uptime() - stopped_at;
    assert!(took < LEASE / 2, "{took:?}");
    serves(&scene, "handover-new").await;
    let after = scene.secret("handover-1", "pullmint-ecr").await.expect("it is still there");
    assert_eq!(version(&after), version(&before));
    assert_eq!(scene.around.clouds.mints(Service::Ecr), 1);
}

#[tokio::test]
async fn a_standby_that_was_ready_stays_so_when_it_takes_over_and_has_yet_to_look_at_everything() {
    let scene = Scene::start("steady", 8).await;
    scene.configure("ecr.toml", ECR);
    scene.configure_all("max_writes_per_second = 1\n");
    let mut a = leader(&scene).await;
    let _b = standby(&scene).await;
    let ready = async || (scene.ask("b", "/readyz").await == "ok\n").then_some(());
    scene.until("a standby that is ready", PATIENCE, ready).await;
    let complete = async || (scene.count("pullmint-ecr").await == 8).then_some(());
    scene.until("all Secrets", PATIENCE, complete).await;
    signal(&a, Signal::TERM);
    assert_eq!(end_of(&mut a, PATIENCE).await, Some(0));
    scene.until_said_by("b", &[LEADING]).await;
    let status: serde_json::Value = serde_json::from_str(&scene.ask("b", "/status.json").await).expect("JSON");
    assert_eq!(status["firstPassAt"], serde_json::Value::Null, "the first pass is not over");
    assert_eq!(scene.ask("b", "/readyz").await, "ok\n");
}

#[tokio::test]
async fn a_leader_killed_amid_a_thousand_writes_is_replaced_within_the_leases_length_and_none_is_missing() {
    let scene = thousand::scene("killed").await;
    let witness = Witness::of(&scene.client, &thousand::secrets());
    let mut a = leader(&scene).await;
    let _b = standby(&scene).await;
    until_the_middle(&scene).await;
    a.kill();
    let killed_at = SystemClock.uptime();
    scene.until_said_by("b", &[LEADING]).await;
    let took = SystemClock.uptime() - killed_at;
    assert!(took < LEASE + Duration::from_secs(5), "{took:?}");
    until_all_are_right(&scene).await;
    assert_eq!(mints(&scene), [1; 4], "what was minted lives on in the state");
    witness.assert_that_each_lived_on();
}

#[tokio::test]
async fn a_leader_cut_off_amid_a_thousand_writes_steps_down_before_another_leads_and_stands_by_when_it_is_back() {
    let scene = thousand::scene("severed").await;
    let witness = Witness::of(&scene.client, &thousand::secrets());
    let (proxy, _a) = scene.run_behind_a_proxy("a").await;
    scene.until_said_by("a", &[LEADING]).await;
    let mut b = standby(&scene).await;
    until_the_middle(&scene).await;
    proxy.set(Fault::Blackhole);
    lose_the_state(&scene).await;
    let stepped_down = scene.until_said_by("a", &["lost the lease"]).await;
    let took_over = scene.until_said_by("b", &[LEADING]).await;
    assert!(time_of(&stepped_down) < time_of(&took_over), "{stepped_down}\n{took_over}");
    until_all_are_right(&scene).await;
    assert_eq!(mints(&scene), [2; 4]);

    proxy.set(Fault::None);
    proxy.cut();
    scene.until_said_by("a", &["standing by", "\"b\""]).await;
    signal(&b, Signal::TERM);
    assert_eq!(end_of(&mut b, PATIENCE).await, Some(0));
    let again = async || (scene.log_of("a").matches(LEADING).count() == 2).then_some(());
    scene.until("a to lead again", PATIENCE, again).await;
    serves(&scene, "severed-new").await;
    witness.assert_that_nothing_grew_older();
}

#[tokio::test]
async fn a_leader_frozen_amid_rotations_writes_nothing_old_over_what_another_has_written_meanwhile() {
    const NAMESPACES: usize = 60;
    let scene = Scene::start("frozen", NAMESPACES).await;
    scene.configure("ecr.toml", &format!("{ECR}schedule = \"* * * * * *\"\n"));
    let mints = || scene.around.clouds.mints(Service::Ecr);
    let more_mints = async |more: u64| {
        let enough = mints() + more;
        scene.until("more mints", PATIENCE, async || (mints() >= enough).then_some(())).await;
    };
    let witness = Witness::of(&scene.client, &["pullmint-ecr".to_owned()]);
    let a = leader(&scene).await;
    let _b = standby(&scene).await;
    more_mints(3).await;
    a.pause();
    scene.until_said_by("b", &[LEADING]).await;
    more_mints(3).await;
    a.resume();
    scene.until_said_by("a", &["lost the lease"]).await;
    more_mints(3).await;

    scene.configure("ecr.toml", ECR);
    scene.until_said_by("b", &["the configuration was read again"]).await;
    let alike = async || {
        let copies = scene.copies("pullmint-ecr").await;
        let newest = copies.iter().filter_map(|copy| minted_at(&copy.metadata)).max();
        let all = copies.len() == NAMESPACES && copies.iter().all(|copy| minted_at(&copy.metadata) == newest);
        (all && scene.around.clouds.is_live(&password(&copies[0], ECR_HOST))).then_some(())
    };
    scene.until("one credential everywhere", PATIENCE, alike).await;
    witness.assert_that_nothing_grew_older();
    assert_eq!(scene.log_of("a").matches(LEADING).count(), 1, "it stands by");
}

#[tokio::test]
async fn writes_of_a_frozen_leader_that_arrive_after_another_has_minted_anew_replace_nothing() {
    let scene = thousand::scene("belated").await;
    let witness = Witness::of(&scene.client, &thousand::secrets());
    let a = leader(&scene).await;
    let _b = standby(&scene).await;
    until_the_middle(&scene).await;
    a.pause();
    lose_the_state(&scene).await;
    scene.until_said_by("b", &[LEADING]).await;
    // It thaws amid the other's writes.
    let minted = async || (mints(&scene) == [2; 4]).then_some(());
    scene.until("b to have minted", PATIENCE, minted).await;
    a.resume();
    scene.until_said_by("a", &["lost the lease"]).await;
    until_all_are_right(&scene).await;
    assert_eq!(mints(&scene), [2; 4]);
    witness.assert_that_nothing_grew_older();
}
