//! A cloud that fails costs nothing that was there before, and nobody else.

use std::time::Duration;

use futures::future::join_all;
use world::clouds::{Fault, Service};

use crate::scene::{ACR, ECR, Scene};
use crate::secrets::version;

/// A way to fail, how pullmint calls it, and a word that its advice must hold.
const FAILURES: [(&str, Fault, &str, &str); 7] = [
    ("denied", Fault::Deny, "denied", "ecr:GetAuthorizationToken"),
    ("throttled", Fault::Throttle(Duration::from_secs(2)), "throttled", ""),
    ("hanging", Fault::Hang, "unreachable", "network"),
    ("reset", Fault::Reset, "unreachable", "network"),
    ("broken", Fault::Status(503), "unexpected", ""),
    ("babbling", Fault::Garbage, "unexpected", ""),
    ("late", Fault::Expired, "unexpected", "clock"),
];

#[tokio::test]
async fn however_a_cloud_fails_the_last_good_secret_stays_and_other_registries_are_renewed() {
    join_all(FAILURES.map(|(name, fault, reason, advice)| failing(name, fault, reason, advice))).await;
}

async fn failing(name: &'static str, fault: Fault, reason: &str, advice: &str) {
    let scene = Scene::start(name, 2).await;
    scene.around.set_life(Duration::from_secs(12));
    scene.configure("ecr.toml", ECR);
    scene.configure("acr.toml", ACR);
    let namespace = format!("{name}-1");
    let pullmint = scene.run();
    let good = scene.until_secret(&namespace, "pullmint-ecr").await;
    let other = scene.until_secret(&namespace, "pullmint-acr").await;
    scene.around.clouds.fail(Service::Ecr, fault);

    let line = scene.until_said(&["WARN", "renewal failed", "registry=ecr", &format!("reason=\"{reason}\"")]).await;
    let remedy = line.split_once("remedy=").expect("a remedy").1;
    assert!(remedy.contains(advice), "{fault:?}: {line}");
    scene.until_changed(&namespace, "pullmint-acr", &other).await;
    let kept = scene.secret(&namespace, "pullmint-ecr").await.expect("it is still there");
    assert_eq!(version(&kept), version(&good), "{fault:?}: nobody touched it");

    scene.around.clouds.heal(Service::Ecr);
    let recovered = scene.until_changed(&namespace, "pullmint-ecr", &good).await;
    assert_ne!(recovered.data, good.data, "{fault:?}");
    drop(pullmint);
}

#[tokio::test]
async fn a_cloud_that_hangs_from_the_start_holds_up_no_other_registry() {
    let scene = Scene::start("stuck", 1).await;
    scene.configure("ecr.toml", ECR);
    scene.configure("acr.toml", ACR);
    scene.around.clouds.fail(Service::Ecr, Fault::Hang);
    let _pullmint = scene.run();
    scene.until_secret("stuck-0", "pullmint-acr").await;
    assert!(!scene.log().contains("renewal failed"), "nobody has given up waiting for ECR");
    assert!(scene.secret("stuck-0", "pullmint-ecr").await.is_none());
    scene.around.clouds.heal(Service::Ecr);
    // The request that hangs must first be given up.
    let there = async || scene.secret("stuck-0", "pullmint-ecr").await;
    scene.until("ECR's Secret", Duration::from_secs(60), there).await;
}
