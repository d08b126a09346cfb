//! The real `pullmint run`, scraped by a real Prometheus.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use world::clouds::{Fault, Service};
use world::ports::Port;

use crate::alerts::{Alert, alerts};
use crate::dashboard::queries;
use crate::prometheus::{Prometheus, Target};
use crate::promtool::promtool;
use crate::scene::{ACR, ECR, ECR_PUBLIC, HUB, PATIENCE, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_pullmint_fills_the_dashboard_and_alarms_nobody() {
    let scene = Scene::start("monitored", 3).await;
    let Some((prometheus, port)) = observe(&scene).await else { return };
    scene.around.clouds.set_life(Service::Ecr, Duration::from_secs(20));
    for (name, toml) in [("acr.toml", ACR), ("ecr.toml", ECR), ("hub.toml", HUB)] {
        scene.configure(name, toml);
    }
    let mut pullmint = scene.run();
    scene.until_secret("monitored-2", "pullmint-ecr").await;

    let looking = async {
        for query in queries() {
            until_found(&scene, &prometheus, &query.panel, &query.filled_in(scene.name)).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = disturb(&scene) => {}
    }
    for Alert { name, query, .. } in alerts() {
        // A write under way may look like one that waits, for a moment.
        let silent = async || prometheus.query(&query).await.expect("a query").is_empty().then_some(());
        scene.until(&format!("{name} to be silent, for all is well"), PATIENCE, silent).await;
    }
    let http = world::plain_http().expect("a client");
    let metrics = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.expect("an answer").text().await;
    if let Some(verdict) = promtool(&["check", "metrics"], &metrics.expect("text")) {
        verdict.unwrap_or_else(|faults| panic!("{faults}"));
    }

    pullmint.kill();
    until_alarmed(&scene, &prometheus, &["PullmintAbsent"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_pullmint_in_trouble_alarms() {
    let scene = Scene::start("alarmed", 2).await;
    let Some((prometheus, _port)) = observe(&scene).await else { return };
    let clouds = &scene.around.clouds;
    clouds.set_life(Service::EcrPublic, Duration::from_secs(15));
    clouds.fail(Service::Ecr, Fault::Deny);
    for (name, toml) in [("acr.toml", ACR), ("ecr.toml", ECR), ("public.toml", ECR_PUBLIC)] {
        scene.configure(name, toml);
    }
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "alarmed-0");
    let metadata = ObjectMeta { name: Some("pullmint-acr".into()), ..ObjectMeta::default() };
    let by_hand = Secret { metadata, ..Secret::default() };
    secrets.create(&Default::default(), &by_hand).await.expect("a Secret of somebody else");

    let _pullmint = scene.run();
    scene.until_secret("alarmed-1", "pullmint-public").await;
    clouds.fail(Service::EcrPublic, Fault::Reset);
    let at_once = ["PullmintCredentialMissing", "PullmintSecretSyncStale", "PullmintOwnershipConflict"];
    until_alarmed(&scene, &prometheus, &at_once).await;
    scene.configure("acr.toml", "provider = \"arc\"\n");
    until_alarmed(&scene, &prometheus, &["PullmintConfigReloadFailed", "PullmintRenewalFailing"]).await;
    until_alarmed(&scene, &prometheus, &["PullmintCredentialExpired", "PullmintSecretExpired"]).await;
}

/// Has this scene's pullmint tell its metrics, and a Prometheus listen. `None` where there is no Prometheus.
async fn observe(scene: &Scene) -> Option<(Prometheus, Port)> {
    let port = Port::free().expect("a port");
    let Scene { name, .. } = scene;
    let own = format!("ca_file = \"{{ca_file}}\"\nnamespaces.include = [\"{name}-*\"]\n");
    scene.configure("pullmint.toml", &format!("{own}admin.listen = \"127.0.0.1:{port}\"\n"));
    let address = ([127, 0, 0, 1], port.number()).into();
    Some((Prometheus::start(&[Target { namespace: name, address }]).await?, port))
}

/// New namespaces, and Secrets that somebody deletes: some in each range that is asked for, and for a minute not so many that
/// it would be an alarm.
async fn disturb(scene: &Scene) {
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), &format!("{}-0", scene.name));
    for round in 0.. {
        let prefix = format!("{}-new-{round}", scene.name);
        world::create_namespaces(&scene.client, &prefix, 1, &[]).await.expect("a namespace");
        secrets.delete("pullmint-acr", &Default::default()).await.ok();
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
}

/// Waits until the queries of these alerts find something. How long it must last is not waited for.
async fn until_alarmed(scene: &Scene, prometheus: &Prometheus, names: &[&str]) {
    for Alert { name, query, .. } in alerts().into_iter().filter(|alert| names.contains(&alert.name.as_str())) {
        until_found(scene, prometheus, &name, &query).await;
    }
}

async fn until_found(scene: &Scene, prometheus: &Prometheus, who: &str, query: &str) {
    let found = async || prometheus.query(query).await.expect("a query").into_iter().next();
    scene.until(&format!("{who}: {query}"), PATIENCE, found).await;
}
