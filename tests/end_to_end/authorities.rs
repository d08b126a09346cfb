//! The file of certificate authorities belongs to the configuration, and is renewed by others.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use world::clouds::{Service, seed};

use crate::scene::{ECR, HUB_MINTED, PATIENCE, Scene};
use crate::secrets::version;

const REJECTED: &str = "cannot be used; the one before stays in force";

impl Scene {
    /// Lets `ca_file` name this file.
    fn trust(&self, file: &Path) {
        self.configure("pullmint.toml", &self.common("").replace("{ca_file}", &file.display().to_string()));
    }

    fn own_pem(&self) -> PathBuf {
        self.around.dir().join("own.pem")
    }
}

#[tokio::test]
async fn one_that_is_not_there_is_told_everywhere_until_it_is_and_costs_no_credential() {
    let scene = Scene::start("absent-ca", 1).await;
    scene.configure("ecr.toml", ECR);
    scene.configure("hub.toml", HUB_MINTED);
    let _pullmint = scene.run();
    let ecr = scene.until_secret("absent-ca-0", "pullmint-ecr").await;
    let hub = scene.until_secret("absent-ca-0", "pullmint-hub").await;

    scene.trust(&scene.own_pem());
    scene.until_said(&["WARN", REJECTED]).await;
    let log = scene.log();
    assert!(log.contains("pullmint.toml:1") && log.contains("own.pem: No such file"), "{log}");
    let problem = &scene.status().await["configuration"]["problems"][0];
    assert_eq!(problem["line"], 1, "{problem}");
    assert!(problem["message"].as_str().is_some_and(|text| text.contains("own.pem: No such file")), "{problem}");
    assert!(problem["help"].as_str().is_some_and(|text| text.contains("may read")), "{problem}");
    assert!(!scene.has_loaded().await);
    let note = scene.until_rejected().await;
    assert!(note.contains("pullmint.toml:1") && note.contains("own.pem"), "{note}");

    fs::copy(scene.around.internet.ca_file(), scene.own_pem()).expect("a copy");
    scene.until("the file to be taken", PATIENCE, async || scene.has_loaded().await.then_some(())).await;
    assert_eq!(scene.status().await["configuration"]["problems"], json!([]));
    world::create_namespaces(&scene.client, "absent-ca-later", 1, &[]).await.expect("a namespace");
    for (name, before) in [("pullmint-ecr", ecr), ("pullmint-hub", hub)] {
        scene.until_secret("absent-ca-later-0", name).await;
        let after = scene.secret("absent-ca-0", name).await.expect("it is still there");
        assert_eq!(version(&after), version(&before), "{name}");
    }
    assert_eq!([Service::Ecr, Service::HubTokens].map(|service| scene.around.clouds.mints(service)), [1, 1]);
    assert_eq!(scene.around.clouds.hub_tokens(seed::HUB_ORG).len(), 2, "the one made by hand, and the one in force");
}

#[tokio::test]
async fn other_contents_count_while_it_runs_and_spoiled_ones_never() {
    let scene = Scene::start("renewed-ca", 1).await;
    let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()]).expect("a certificate");
    fs::write(scene.own_pem(), stranger.cert.pem()).expect("a file");
    scene.configure("ecr.toml", ECR);
    scene.trust(&scene.own_pem());
    let _pullmint = scene.run();
    scene.until_said(&["renewal failed", "registry=ecr", "reason=\"unreachable\""]).await;
    fs::copy(scene.around.internet.ca_file(), scene.own_pem()).expect("a copy");
    scene.until_secret("renewed-ca-0", "pullmint-ecr").await;

    fs::write(scene.own_pem(), "no PEM").expect("a file");
    scene.until_said(&["WARN", REJECTED]).await;
    assert!(!scene.has_loaded().await);
    scene.configure("hub.toml", HUB_MINTED);
    fs::copy(scene.around.internet.ca_file(), scene.own_pem()).expect("a copy");
    scene.until_secret("renewed-ca-0", "pullmint-hub").await;
    assert_eq!(scene.around.clouds.mints(Service::Ecr), 1);
}

#[tokio::test]
async fn without_it_nothing_starts_and_the_report_shows_the_line() {
    let scene = Scene::start("no-ca", 0).await;
    scene.configure("ecr.toml", ECR);
    scene.trust(&scene.own_pem());
    let ended = scene.pullmint(&["run"]).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("pullmint.toml:1") && ended.err.contains("No such file"), "{}", ended.err);
}
