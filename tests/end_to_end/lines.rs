//! The log for programs: one JSON object a line, whose message is constant and whose fields tell the rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};
use world::clouds::{Fault, Service};

use crate::scene::{ACR, ECR, HUB, PATIENCE, Scene, end_of, signal};

/// All of the program's text.
fn sources(dir: &Path) -> String {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let text =
        entries.map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).expect("a text") });
    text.collect()
}

#[tokio::test]
async fn each_message_stands_in_the_source_as_it_is_and_what_varies_is_a_field() {
    let scene = Scene::start("lines", 2).await;
    scene.around.set_life(Duration::from_secs(12));
    for (name, toml) in [("acr", ACR), ("ecr", ECR), ("hub", HUB)] {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let secrets = Api::<Secret>::namespaced(scene.client.clone(), "lines-0");
    let foreign = serde_json::from_value(json!({"metadata": {"name": "pullmint-hub"}})).expect("a Secret");
    secrets.create(&PostParams::default(), &foreign).await.expect("somebody else's Secret");

    let mut pullmint = scene.run_with(&["--log", "debug", "--log-format", "json"]);
    let first = scene.until_secret("lines-1", "pullmint-ecr").await;
    scene.until_secret("lines-0", "pullmint-acr").await;
    secrets.delete("pullmint-acr", &DeleteParams::default()).await.expect("deleted");
    scene.until_secret("lines-0", "pullmint-acr").await;
    scene.around.clouds.fail(Service::AcrExchange, Fault::Deny);
    scene.until_changed("lines-1", "pullmint-ecr", &first).await;
    scene.until_said(&["renewal failed"]).await;
    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));

    let (sources, mut messages) = (sources(Path::new("src")), BTreeSet::new());
    for line in scene.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["target"].as_str().is_some_and(|target| target.starts_with("pullmint")) {
            let message = line["message"].as_str().unwrap_or_else(|| panic!("no message: {line}"));
            assert!(sources.contains(&format!("{message:?}")), "made while it ran: {line}");
            messages.insert(message.to_owned());
        }
    }
    for message in ["minted", "writing", "refused", "renewal failed", "all is written", "saved the state"] {
        assert!(messages.contains(message), "{message}: {messages:?}");
    }
}
