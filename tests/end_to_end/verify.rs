//! The registry itself is asked before a credential takes the place of another.

use std::time::Duration;

use world::clouds::{Fault, Service};

use crate::scene::{ACR, Scene};
use crate::secrets::{ACR_HOST, password, version};

#[tokio::test]
async fn a_credential_that_the_registry_refuses_does_not_replace_one_that_works() {
    let scene = Scene::start("refused", 1).await;
    scene.around.set_life(Duration::from_secs(12));
    scene.configure("acr.toml", ACR);
    let _pullmint = scene.run();
    let good = scene.until_secret("refused-0", "pullmint-acr").await;
    scene.around.clouds.fail(Service::AcrToken, Fault::Deny);

    let line = scene.until_said(&["renewal failed", "registry=acr", "reason=\"denied\""]).await;
    assert!(line.contains("try the credential at acme.azurecr.io"), "{line}");
    assert!(line.contains("AcrPull"), "{line}");
    assert_eq!(scene.around.clouds.mints(Service::AcrExchange), 2, "a second one was minted");
    let kept = scene.secret("refused-0", "pullmint-acr").await.expect("it is still there");
    assert_eq!(version(&kept), version(&good));

    scene.around.clouds.heal(Service::AcrToken);
    let renewed = scene.until_changed("refused-0", "pullmint-acr", &good).await;
    assert!(scene.around.clouds.is_live(&password(&renewed, ACR_HOST)));
}

#[tokio::test]
async fn a_credential_is_published_although_the_registry_does_not_answer_and_the_log_says_so() {
    let scene = Scene::start("silent", 1).await;
    scene.configure("acr.toml", ACR);
    scene.around.clouds.fail(Service::AcrRegistry, Fault::Reset);
    let _pullmint = scene.run();
    scene.until_secret("silent-0", "pullmint-acr").await;
    scene.until_said(&["WARN", "the registry gave no verdict", "registry=acr", "acme.azurecr.io"]).await;
    scene.until_said(&["minted", "registry=acr", "verification=\"doubtful\""]).await;
}
