//! Credentials are replaced before they die, everywhere, by one mint.

use std::time::Duration;

use world::clouds::Service;

use crate::scene::{ACR, ECR, ECR_PUBLIC, HUB_MINTED, PATIENCE, Scene};
use crate::secrets::{ECR_HOST, password, uid};

#[tokio::test]
async fn the_examples_fill_the_selected_namespaces_with_credentials_of_all_clouds() {
    let scene = Scene::start("examples", 3).await;
    scene.around.configure_like("config".as_ref()).expect("the examples");
    // By default it would serve the namespaces of all other tests as well, and take away their Secrets' names.
    let common = std::fs::read_to_string("config/pullmint.toml").expect("an example");
    let [include, listen] = ["# include = [\"*\"]", "# listen = \"[::]:8080\""];
    assert!(common.contains(include) && common.contains(listen));
    let common = common.replace(include, "include = [\"examples-*\"]").replace(listen, "listen = \"127.0.0.1:0\"");
    scene.configure("pullmint.toml", &format!("ca_file = \"{{ca_file}}\"\n{common}"));
    let _pullmint = scene.run();
    for secret in ["pullmint-acr", "pullmint-docker-hub", "pullmint-ecr", "pullmint-ecr-public"] {
        scene.until_secret("examples-2", secret).await;
    }
}

#[tokio::test]
async fn a_secret_is_replaced_in_all_namespaces_before_it_expires_by_one_mint_each_time() {
    let scene = Scene::start("renewal", 25).await;
    scene.around.clouds.set_life(Service::Ecr, Duration::from_secs(24));
    scene.configure("ecr.toml", ECR);
    let _pullmint = scene.run();
    let first = scene.until_secret("renewal-0", "pullmint-ecr").await;
    let mut secret = first.clone();
    for generation in 2..=4 {
        let old = password(&secret, ECR_HOST);
        secret = scene.until_changed("renewal-0", "pullmint-ecr", &secret).await;
        let new = password(&secret, ECR_HOST);
        for number in 0..25 {
            let everywhere = async || {
                let copy = scene.secret(&format!("renewal-{number}"), "pullmint-ecr").await?;
                (password(&copy, ECR_HOST) == new).then_some(())
            };
            scene.until("every namespace to have it", PATIENCE, everywhere).await;
        }
        assert!(scene.around.clouds.is_live(&old), "generation {generation} came when the old one still lived");
        assert!(scene.around.clouds.is_live(&new), "generation {generation} lives");
        assert_eq!(scene.around.clouds.mints(Service::Ecr), generation, "one mint for all namespaces");
    }
    assert_eq!(uid(&first), uid(&secret), "updated in place");
}

#[tokio::test]
async fn every_kind_of_cloud_is_renewed() {
    let scene = Scene::start("kinds", 1).await;
    scene.around.set_life(Duration::from_secs(12));
    for (name, toml) in [("ecr", ECR), ("public", ECR_PUBLIC), ("acr", ACR), ("hub", HUB_MINTED)] {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let _pullmint = scene.run();
    let names = ["pullmint-ecr", "pullmint-public", "pullmint-acr", "pullmint-hub"];
    let renewed = names.map(async |name| {
        let first = scene.until_secret("kinds-0", name).await;
        let second = scene.until_changed("kinds-0", name, &first).await;
        assert_ne!(first.data, second.data, "{name}");
        assert_eq!(uid(&first), uid(&second), "{name}");
    });
    futures::future::join_all(renewed).await;
}
