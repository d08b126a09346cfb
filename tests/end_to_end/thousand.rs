//! A thousand Secrets: those of four registries in 250 namespaces. Enough that something can happen amid them.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use world::clouds::Service;

use crate::scene::{ACR, ECR, ECR_PUBLIC, HUB_MINTED, PATIENCE, Scene};
use crate::secrets::{ACR_HOST, ECR_HOST, HUB_HOST, dockerconfigjson, password};

pub(crate) const NAMESPACES: usize = 250;
pub(crate) const ALL: usize = 1000;

/// Before each look at all of them: whoever looks all the time keeps the API server from its work.
const GLANCE: Duration = Duration::from_millis(250);

/// Name, settings, who mints, and what the credential opens.
const REGISTRIES: [(&str, &str, Service, &str); 4] = [
    ("acr", ACR, Service::AcrExchange, ACR_HOST),
    ("ecr", ECR, Service::Ecr, ECR_HOST),
    ("hub", HUB_MINTED, Service::HubTokens, HUB_HOST),
    ("public", ECR_PUBLIC, Service::EcrPublic, "public.ecr.aws"),
];

/// A scene in which there are a thousand Secrets to write, slowly enough that their middle can be met.
pub(crate) async fn scene(name: &'static str) -> Scene {
    let scene = Scene::start(name, NAMESPACES).await;
    scene.configure_all("max_writes_per_second = 125\n");
    for (name, toml, ..) in REGISTRIES {
        scene.configure(&format!("{name}.toml"), toml);
    }
    scene
}

/// Their names.
pub(crate) fn secrets() -> [String; 4] {
    REGISTRIES.map(|(name, ..)| format!("pullmint-{name}"))
}

/// How many of them there are.
pub(crate) async fn written(scene: &Scene) -> usize {
    tokio::time::sleep(GLANCE).await;
    let counts = secrets().map(|name| async move { scene.count(&name).await });
    join_all(counts).await.into_iter().sum()
}

/// Waits for the middle of the work, when each registry's credential has been saved.
pub(crate) async fn until_the_middle(scene: &Scene) {
    let amid = async || {
        let saved = scene.secret(scene.name, "pullmint-state").await?.data?.len() == REGISTRIES.len();
        let written = written(scene).await;
        assert!(written < ALL, "they are all written, and it should be the middle");
        (saved && written > 300).then_some(())
    };
    scene.until("the middle of the work", PATIENCE * 2, amid).await;
}

/// Waits until each Secret is there and holds its registry's newest credential.
pub(crate) async fn until_all_are_right(scene: &Scene) {
    let right = async || (written(scene).await == ALL && wrong(scene).await.is_empty()).then_some(());
    scene.until("all Secrets to be right", PATIENCE * 2, right).await;
}

/// How often each registry's credential was minted.
pub(crate) fn mints(scene: &Scene) -> [u64; 4] {
    REGISTRIES.map(|(_, _, service, _)| scene.around.clouds.mints(service))
}

async fn wrong(scene: &Scene) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((name, _, service, host), copies) in REGISTRIES.into_iter().zip(copies(scene).await) {
        if copies.len() != NAMESPACES {
            wrong.push(format!("{} of {name}", copies.len()));
        }
        let newest = scene.around.clouds.issued(service).pop().expect("a credential");
        assert!(scene.around.clouds.is_live(&newest), "{name}");
        for copy in copies.iter().filter(|copy| password(copy, host) != newest) {
            wrong.push(format!("{:?}/{name}", copy.metadata.namespace));
        }
        if let Some(first) = copies.first().map(dockerconfigjson) {
            wrong.extend(copies.iter().filter(|copy| dockerconfigjson(copy) != first).map(|_| format!("odd {name}")));
        }
    }
    wrong
}

async fn copies(scene: &Scene) -> Vec<Vec<Secret>> {
    let names = secrets();
    join_all(names.iter().map(|name| scene.copies(name))).await
}
