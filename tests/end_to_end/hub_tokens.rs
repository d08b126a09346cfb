//! Tokens that pullmint makes at Docker Hub, where they count against a quota.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use world::clouds::{Service, seed};

use crate::scene::{HUB_MINTED, PATIENCE, Scene, end_of, signal};

impl Scene {
    /// What the state says of Docker Hub, once so many replaced tokens are to be deleted.
    async fn until_retired(&self, tokens: usize) -> Value {
        let saved = async || {
            let data = self.secret(self.name, "pullmint-state").await?.data?;
            let record: Value = serde_json::from_slice(&data.get("hub")?.0).expect("JSON");
            (record["retired"].as_array()?.len() == tokens).then_some(record)
        };
        self.until(&format!("{tokens} tokens to be deleted"), PATIENCE, saved).await
    }
}

#[tokio::test]
async fn minted_tokens_have_an_end_and_a_label_and_expired_ones_make_room_for_new_ones() {
    let scene = Scene::start("quota", 1).await;
    let clouds = &scene.around.clouds;
    clouds.set_life(Service::HubTokens, Duration::from_secs(4));
    // The one made by hand, the one in force, its successor, and one that has just expired.
    clouds.set_org_quota(4);
    scene.configure("hub.toml", HUB_MINTED);
    let _pullmint = scene.run();
    let minted = async || (clouds.mints(Service::HubTokens) >= 7).then_some(());
    scene.until("more mints than the quota holds", PATIENCE, minted).await;
    assert!(!scene.log().contains("renewal failed"), "{}", scene.log());

    let tokens = clouds.hub_tokens(seed::HUB_ORG);
    let (own, others): (Vec<_>, Vec<_>) = tokens
        .iter()
        .partition(|token| token["label"].as_str().is_some_and(|label| label.starts_with("pullmint-hub-")));
    assert_eq!(others.len(), 1, "the token made by hand stays: {tokens:?}");
    assert!(!own.is_empty() && own.iter().all(|token| token["expires_at"].is_string()), "{tokens:?}");
    let pull_only = serde_json::json!([{"type": "TYPE_REPO", "path": "acme/app", "scopes": ["scope-image-pull"]}]);
    assert!(own.iter().all(|token| token["resources"] == pull_only), "{tokens:?}");
}

#[tokio::test]
async fn tokens_of_settings_that_hold_no_more_are_deleted_too_whether_a_reload_or_a_restart_brought_others() {
    let scene = Scene::start("orphans", 1).await;
    scene.configure("hub.toml", HUB_MINTED);
    let mut pullmint = scene.run();
    let first = scene.until_retired(0).await;
    scene.configure("hub.toml", &format!("{HUB_MINTED}lifetime = \"5h\"\n"));
    let second = scene.until_retired(1).await;
    assert_eq!(second["retired"][0][0], first["handle"], "after a reload");

    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
    scene.configure("hub.toml", &format!("{HUB_MINTED}lifetime = \"6h\"\n"));
    let _pullmint = scene.run();
    let third = scene.until_retired(2).await;
    assert_eq!(third["retired"][1][0], second["handle"], "after a restart");
}
