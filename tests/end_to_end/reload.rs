//! The configuration changes while pullmint runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use world::clouds::{Service, seed};

use crate::scene::{ACR, ECR, HUB, HUB_MINTED, PATIENCE, Scene};
use crate::secrets::{ACR_HOST, ECR_HOST, HUB_HOST, dockerconfigjson, password, version};
use crate::volume::Volume;

const MINTING: [Service; 3] = [Service::AcrExchange, Service::Ecr, Service::HubTokens];
const IN_FORCE: &str = "the configuration was read again and is in force";

type Files = BTreeMap<String, String>;

fn files(scene: &Scene, registries: &[(&str, &str)]) -> Files {
    let registries = registries.iter().map(|(name, toml)| (format!("{name}.toml"), (*toml).to_owned()));
    registries.chain([("pullmint.toml".to_owned(), scene.common(""))]).collect()
}

impl Scene {
    fn mints(&self) -> [u64; 3] {
        MINTING.map(|service| self.around.clouds.mints(service))
    }

    async fn until_gone(&self, namespace: &str, name: &str) {
        let gone = async || self.secret(namespace, name).await.is_none().then_some(());
        self.until(&format!("the end of Secret {namespace}/{name}"), PATIENCE, gone).await;
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.ask("pullmint", "/status.json").await).expect("JSON")
    }

    /// Whether the configuration that was read last is in force.
    pub(crate) async fn has_loaded(&self) -> bool {
        self.ask("pullmint", "/metrics").await.contains("\npullmint_config_last_reload_successful 1")
    }

    /// Waits for the Event that tells of a rejected configuration.
    pub(crate) async fn until_rejected(&self) -> String {
        self.until_told(self.name, "ConfigurationRejected").await.note.unwrap_or_default()
    }
}

#[tokio::test]
async fn a_moved_configmap_is_followed_and_only_the_registry_that_changed_is_minted_anew() {
    let scene = Scene::start("moved", 2).await;
    let mut volume = Volume::mount(&scene);
    let mut files = files(&scene, &[("acr", ACR), ("ecr", ECR), ("hub", HUB_MINTED)]);
    volume.publish(&scene, &files);
    let _pullmint = scene.run();
    let acr = scene.until_secret("moved-1", "pullmint-acr").await;
    let ecr = scene.until_secret("moved-1", "pullmint-ecr").await;
    let hub = scene.until_secret("moved-1", "pullmint-hub").await;

    files.insert("ecr.toml".to_owned(), format!("{ECR}role_arn = \"{}\"\n", seed::AWS_ROLE));
    files.insert("acr.toml".to_owned(), format!("{ACR}renew_at = 0.4\n"));
    volume.publish(&scene, &files);
    scene.until_changed("moved-1", "pullmint-ecr", &ecr).await;
    // What is served later than all that was to be done shows that no more was.
    world::create_namespaces(&scene.client, "moved-later", 1, &[]).await.expect("a namespace");
    for (name, before) in [("pullmint-acr", acr), ("pullmint-hub", hub)] {
        scene.until_secret("moved-later-0", name).await;
        let after = scene.secret("moved-1", name).await.expect("it is still there");
        assert_eq!(version(&after), version(&before), "{name}");
    }
    assert_eq!(scene.mints(), [1, 2, 1], "a credential outlives settings that do not concern it");
}

/// A Secret that somebody else made in the place of ours.
async fn foreign(scene: &Scene, namespace: &str, name: &str) -> Secret {
    let data = json!({".dockerconfigjson": "{\"auths\":{}}"});
    let theirs = json!({"metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "stringData": data});
    let params = PostParams { field_manager: Some("kubectl-create".to_owned()), dry_run: false };
    let api = Api::<Secret>::namespaced(scene.client.clone(), namespace);
    api.create(&params, &serde_json::from_value(theirs).expect("a Secret")).await.expect("a Secret of theirs")
}

#[tokio::test]
async fn what_a_removed_registry_had_written_goes_and_what_others_own_stays() {
    let scene = Scene::start("removed", 3).await;
    let mut volume = Volume::mount(&scene);
    let shared = [format!("{ACR}secret = \"shared\"\n"), format!("{ECR}secret = \"shared\"\n")];
    let hub = format!("{HUB_MINTED}service_accounts = [\"default\"]\n");
    let mut files = files(&scene, &[("acr", shared[0].as_str()), ("ecr", &shared[1]), ("hub", &hub)]);
    volume.publish(&scene, &files);
    let theirs = foreign(&scene, "removed-2", "pullmint-hub").await;
    let _pullmint = scene.run();
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), "removed-0");
    let named = async || {
        let account = accounts.get_opt("default").await.expect("an answer").unwrap_or_default();
        account.image_pull_secrets.unwrap_or_default().iter().any(|it| it.name == "pullmint-hub")
    };
    let both = async || {
        let text = dockerconfigjson(&scene.secret("removed-0", "shared").await?);
        (text.contains(ACR_HOST) && text.contains(ECR_HOST) && named().await).then_some(())
    };
    scene.until("all to be in place", PATIENCE, both).await;
    for namespace in ["removed-0", "removed-1"] {
        scene.until_secret(namespace, "pullmint-hub").await;
    }

    files.remove("acr.toml");
    files.remove("hub.toml");
    volume.publish(&scene, &files);
    scene.until_said(&["INFO", "configured no more", "registry=hub", "tokens=1"]).await;
    for namespace in ["removed-0", "removed-1"] {
        scene.until_gone(namespace, "pullmint-hub").await;
        let alone = async || {
            let secret = scene.secret(namespace, "shared").await?;
            (!dockerconfigjson(&secret).contains(ACR_HOST)).then_some(secret)
        };
        let secret = scene.until("the entry to go", PATIENCE, alone).await;
        assert!(scene.around.clouds.is_live(&password(&secret, ECR_HOST)));
    }
    scene.until("the account to be as before", PATIENCE, async || (!named().await).then_some(())).await;
    let after = scene.secret("removed-2", "pullmint-hub").await.expect("theirs");
    assert_eq!(version(&after), version(&theirs));
    assert_eq!(scene.mints(), [1, 1, 1], "what stays was not minted anew");
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told_everywhere_until_it_is_mended() {
    let scene = Scene::start("spoilt", 2).await;
    let mut volume = Volume::mount(&scene);
    let good = files(&scene, &[("acr", ACR), ("ecr", ECR)]);
    volume.publish(&scene, &good);
    let _pullmint = scene.run();
    let acr = scene.until_secret("spoilt-1", "pullmint-acr").await;
    let ecr = scene.until_secret("spoilt-1", "pullmint-ecr").await;
    let before = scene.status().await["configuration"].clone();
    assert_eq!(before["problems"], json!([]));

    // The other changes are good, and are not in force all the same.
    let mut bad = good.clone();
    bad.insert("acr.toml".to_owned(), format!("{ACR}regoin = 1\n"));
    bad.insert("hub.toml".to_owned(), HUB_MINTED.to_owned());
    bad.remove("ecr.toml");
    volume.publish(&scene, &bad);
    scene.until_said(&["WARN", "cannot be used; the one before stays in force"]).await;
    let line = ACR.lines().count() + 1;
    let log = scene.log();
    assert!(log.contains(&format!("acr.toml:{line}")) && log.contains("^^^^^^"), "{log}");
    let status = scene.status().await;
    assert_eq!(status["configuration"]["loadedAt"], before["loadedAt"]);
    let problem = &status["configuration"]["problems"][0];
    assert!(problem["file"].as_str().is_some_and(|file| file.ends_with("acr.toml")), "{problem}");
    assert_eq!(problem["line"], line, "{problem}");
    assert!(!scene.has_loaded().await);
    let note = scene.until_rejected().await;
    assert!(note.contains(&format!("acr.toml:{line}")) && note.contains("regoin"), "{note}");

    world::create_namespaces(&scene.client, "spoilt-later", 1, &[]).await.expect("a namespace");
    for (name, before) in [("pullmint-acr", acr), ("pullmint-ecr", ecr)] {
        scene.until_secret("spoilt-later-0", name).await;
        let after = scene.secret("spoilt-1", name).await.expect("it is still there");
        assert_eq!(version(&after), version(&before), "{name}");
    }
    assert_eq!(scene.mints(), [1, 1, 0]);

    bad.insert("acr.toml".to_owned(), ACR.to_owned());
    volume.publish(&scene, &bad);
    scene.until_secret("spoilt-1", "pullmint-hub").await;
    scene.until_gone("spoilt-1", "pullmint-ecr").await;
    assert_eq!(scene.status().await["configuration"]["problems"], json!([]));
    assert!(scene.has_loaded().await);
}

#[tokio::test]
async fn a_registry_that_is_configured_wrongly_keeps_its_entry_and_does_not_hold_up_those_that_share_its_secret() {
    let scene = Scene::start("wrongly", 1).await;
    scene.around.clouds.set_life(Service::Ecr, Duration::from_secs(12));
    let mut volume = Volume::mount(&scene);
    let shared = [format!("{ECR}secret = \"shared\"\n"), format!("{HUB}secret = \"shared\"\n")];
    let mut files = files(&scene, &[("ecr", shared[0].as_str()), ("hub", &shared[1])]);
    volume.publish(&scene, &files);
    let _pullmint = scene.run();
    let both = async || {
        let secret = scene.secret("wrongly-0", "shared").await?;
        let text = dockerconfigjson(&secret);
        (text.contains(ECR_HOST) && text.contains(HUB_HOST)).then_some(secret)
    };
    let before = scene.until("both entries", PATIENCE, both).await;

    files.insert("hub.toml".to_owned(), shared[1].replace("{hub_org_token}", "/nowhere/token"));
    volume.publish(&scene, &files);
    scene.until_said(&["WARN", "renewal failed", "registry=hub", "misconfigured"]).await;
    let renewed = async || {
        let secret = both().await?;
        (password(&secret, ECR_HOST) != password(&before, ECR_HOST)).then_some(secret)
    };
    let after = scene.until("a new entry beside the old one", PATIENCE, renewed).await;
    assert_eq!(password(&after, HUB_HOST), password(&before, HUB_HOST));
}

#[tokio::test]
async fn the_log_grows_and_shrinks_while_it_runs() {
    let scene = Scene::start("chatty", 1).await;
    scene.configure("ecr.toml", ECR);
    let _pullmint = scene.run();
    scene.until_secret("chatty-0", "pullmint-ecr").await;
    assert!(!scene.log().contains(" DEBUG "), "{}", scene.log());
    scene.configure_all("log = \"debug\"\n");
    scene.until_said(&[IN_FORCE]).await;
    world::create_namespaces(&scene.client, "chatty-more", 1, &[]).await.expect("a namespace");
    scene.until_said(&[" DEBUG "]).await;
    scene.configure_all("log = \"warn\"\n");
    let quiet = async || (scene.log().matches(IN_FORCE).count() == 2).then_some(());
    scene.until("a word on the new configuration", PATIENCE, quiet).await;
    // The filter is set beside the daemon's work, and what follows comes after both.
    world::create_namespaces(&scene.client, "chatty-mark", 1, &[]).await.expect("a namespace");
    scene.until_secret("chatty-mark-0", "pullmint-ecr").await;
    let before = scene.log().len();
    world::create_namespaces(&scene.client, "chatty-most", 1, &[]).await.expect("a namespace");
    scene.until_secret("chatty-most-0", "pullmint-ecr").await;
    assert_eq!(&scene.log()[before..], "");
}

#[tokio::test]
async fn writes_a_second_are_limited_while_it_runs() {
    const RATE: u32 = 20;
    const WRITES: u32 = 60;
    let scene = Scene::start("slowly", WRITES as usize).await;
    scene.configure("acr.toml", &format!("{ACR}namespaces.include = [\"none-of-these\"]\n"));
    let _pullmint = scene.run();
    scene.until_said(&["leading: minting and writing"]).await;
    scene.configure_all(&format!("max_writes_per_second = {RATE}\n"));
    scene.configure("acr.toml", ACR);
    let all = async || (scene.copies("pullmint-acr").await.len() == WRITES as usize).then_some(());
    scene.until("all to be written", PATIENCE, all).await;
    let log = scene.log();
    let began = log.lines().filter(|line| line.contains("writing") && line.contains("why=\"created\""));
    let began: Vec<Timestamp> = began.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(began.len(), WRITES as usize, "{log}");
    let took = began[began.len() - 1].duration_since(began[0]).as_secs_f64();
    let least = f64::from(WRITES - 1) / f64::from(RATE);
    assert!(took >= least - 0.01, "{took} s, and {least} s is the least");
}
