//! How soon a new namespace has its Secrets.

use crate::scene::{ACR, ECR, PATIENCE, Scene};

#[tokio::test]
async fn the_time_to_cover_a_namespace_is_told_of_each_of_its_secrets() {
    let scene = Scene::start("cover", 1).await;
    scene.configure("acr.toml", ACR);
    scene.configure("ecr.toml", ECR);
    let _pullmint = scene.run();
    scene.until_secret("cover-0", "pullmint-acr").await;
    scene.until_secret("cover-0", "pullmint-ecr").await;
    world::create_namespaces(&scene.client, "cover-new", 1, &[]).await.expect("a namespace");
    scene.until_secret("cover-new-0", "pullmint-acr").await;
    scene.until_secret("cover-new-0", "pullmint-ecr").await;
    let counted = async || {
        let metrics = scene.ask("pullmint", "/metrics").await;
        metrics.contains("\npullmint_time_to_cover_seconds_count 2\n").then_some(())
    };
    scene.until("two to be counted, and not those of the namespace that was there before", PATIENCE, counted).await;
}
