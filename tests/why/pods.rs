//! Each cause made for real: a real pod on a real node fails to pull, and the command must tell why.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use world::Node;
use world::clouds::{Fault, Service};

use crate::bed::{Bed, login, only, pull_secret};
use crate::cause::{ACR, Cause, causes, managed};
use crate::table;
use crate::texts::{self, Text};

/// The foremost code of each namespace.
fn codes(report: &Value) -> BTreeMap<String, String> {
    let groups = report["findings"].as_array().expect("findings");
    let pairs = groups.iter().flat_map(|group| {
        let subjects = group["subjects"].as_array().expect("subjects");
        subjects.iter().map(|subject| {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            (text(&subject["namespace"]), text(&group["code"]))
        })
    });
    pairs.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cause_that_a_node_can_have_is_told_at_top_rank() {
    if let Err(why) = Node::available() {
        return world::skip(&why);
    }
    let bed = Bed::start(true).await;
    bed.namespace("pullmints").await;
    bed.secret("pullmints", &managed(pull_secret("kept", &json!({"auths": {}})), "2099-01-01T00:00:00Z")).await;
    let causes = causes(&bed).await;
    bed.stage.clouds.fail(Service::EcrPublicRegistry, Fault::Throttle(Duration::from_secs(60)));
    for cause in &causes {
        cause.make(&bed).await;
    }
    for cause in &causes {
        cause.until_refused(&bed).await;
    }

    let mut texts = Vec::new();
    for cause in &causes {
        texts.push(Text::of(&bed, cause.code, &cause.namespace()).await);
    }
    let said = bed.why(&["-A", "--output", "json", "--allow-network", "127.0.0.0/8"]).await;
    let report = said.json();
    let told = codes(&report);
    let wrong: Vec<_> =
        causes.iter().filter(|cause| told.get(&cause.namespace()).map(String::as_str) != Some(cause.code)).collect();
    let wrong: Vec<_> = wrong
        .iter()
        .map(|cause| {
            let is_its = |group: &&Value| {
                group["subjects"].as_array().is_some_and(|s| s.iter().any(|s| s["namespace"] == cause.namespace()))
            };
            let group = report["findings"].as_array().expect("findings").iter().find(is_its);
            format!("{}: {:#}", cause.namespace(), group.unwrap_or(&Value::Null))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} wrong\n{}\n{}", wrong.len(), causes.len(), wrong.join("\n"), said.err);
    assert_eq!(said.code, 3);
    // Under another key the token of another region opens no more; and a Secret that nobody names opens nothing.
    for (namespace, words) in [
        ("pm207-region", "aws ecr get-login-password --region eu-west-1"),
        ("pm207-port", ".auths[\"acme.azurecr.io\"] = .auths[\"acme.azurecr.io:443\"]"),
        ("pm306-nobody", "patch serviceaccount default"),
    ] {
        let mut groups = report["findings"].as_array().expect("findings").iter();
        let group = groups.find(|group| group["subjects"][0]["namespace"] == namespace);
        let command = group.expect("a finding")["command"].as_str().expect("a command");
        assert!(command.contains(words), "{namespace}: {command}");
    }
    for secret in bed.stage.clouds.secrets() {
        assert!(!said.out.contains(&secret), "a secret was told");
    }
    let text = bed.why(&["-A", "--allow-network", "127.0.0.0/8"]).await;
    if let Ok(file) = std::env::var("PULLMINT_WHY_TEXT") {
        std::fs::write(file, &text.out).expect("a file");
    }

    // What was mended is said to be so, though the kubelet has not come back yet.
    let (user, password) = only(&bed.minted(ACR).await);
    bed.secret("pm201-missing", &pull_secret("pull", &login("acme.azurecr.io", &user, &password))).await;
    let said = bed.why(&["app", "-n", "pm201-missing", "--output", "json"]).await;
    assert_eq!((said.code_found().as_str(), said.code), ("PM000", 0), "{said:?}");

    bed.stage.clouds.fail(Service::EcrPublicRegistry, Fault::Status(503));
    let outage = Cause::new("PM402", "outage", "public.ecr.aws/acme/app:1");
    outage.make(&bed).await;
    outage.until_refused(&bed).await;
    let said = bed.why(&["pod/app", "-n", "pm402-outage", "--output", "json"]).await;
    assert_eq!(said.code_found(), "PM402", "{said:?}");

    texts.push(Text::of(&bed, outage.code, &outage.namespace()).await);
    if std::env::var_os("PULLMINT_WRITE_DOCS").is_some() {
        texts::write_recorded(&texts);
        table::write();
    }
}
