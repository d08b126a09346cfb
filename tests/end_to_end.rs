//! The real binary, a real cluster, a real registry, and the emulated clouds under their own names.

#[path = "end_to_end/scene.rs"]
mod scene;

use scene::Scene;

#[tokio::test]
async fn the_examples_fill_the_selected_namespaces_with_credentials_of_all_clouds() {
    let scene = Scene::start(false).await;
    world::create_namespaces(&scene.client, "team", 3, &[]).await.expect("namespaces");
    let _pullmint = scene.run();
    for secret in ["pullmint-acr", "pullmint-docker-hub", "pullmint-ecr", "pullmint-ecr-public"] {
        scene.until_secret("team-2", secret).await;
    }
}
