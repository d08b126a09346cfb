//! Tokens that pullmint makes at Docker Hub, where they count against a quota.

use std::time::Duration;

use world::clouds::{Service, seed};

use crate::scene::{HUB_MINTED, PATIENCE, Scene};

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
