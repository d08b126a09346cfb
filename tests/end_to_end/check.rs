//! `pullmint check`: everything is tried, nothing is written.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use serde_json::Value;
use world::clouds::{Fault, Service, seed};

use crate::scene::{ACR, ECR, Ended, HUB, HUB_MINTED, Scene, ended};

/// The items of a report, as JSON.
fn items(report: &Ended) -> Vec<Value> {
    let report: Value = serde_json::from_str(&report.out).unwrap_or_else(|error| panic!("{error}: {report:?}"));
    report["items"].as_array().expect("items").clone()
}

fn item<'a>(items: &'a [Value], subject: &str, check: &str) -> &'a Value {
    let found = items.iter().find(|item| item["subject"] == subject && item["check"] == check);
    found.unwrap_or_else(|| panic!("no item {check} of {subject}: {items:#?}"))
}

#[tokio::test]
async fn where_all_is_well_every_item_is_ok_and_nothing_is_written() {
    let scene = Scene::start("check", 2).await;
    for (name, toml) in [("ecr", ECR), ("acr", ACR), ("hub", HUB), ("minted", HUB_MINTED)] {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let table = scene.pullmint(&["check"]).await;
    assert_eq!((table.code, table.err.as_str()), (0, ""), "{table:?}");
    assert!(table.out.lines().all(|line| line.starts_with("ok ")), "{}", table.out);
    assert!(table.out.contains("accepted by acme.azurecr.io"), "{}", table.out);

    let report = scene.pullmint(&["check", "--output", "json"]).await;
    assert_eq!((report.code, report.err.as_str()), (0, ""), "{report:?}");
    let items = items(&report);
    assert!(items.iter().all(|item| item["result"] == "ok"), "{items:#?}");
    for registry in ["acr", "ecr", "hub", "minted"] {
        item(&items, registry, "mint");
        item(&items, registry, "verify");
        item(&items, &format!("patch secrets/pullmint-{registry} in all namespaces"), "permission");
    }
    item(&items, "get secrets/pullmint-state in check", "permission");

    for namespace in ["check", "check-0", "check-1"] {
        let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), namespace);
        let secrets = secrets.list(&ListParams::default()).await.expect("a list");
        assert!(secrets.items.is_empty(), "nothing is written into {namespace}");
    }
    assert_eq!(scene.around.clouds.mints(Service::HubTokens), 2, "each check tried to mint");
    let left = scene.around.clouds.hub_tokens(seed::HUB_ORG);
    assert!(left.len() == 1 && left[0]["label"] == "made by hand", "trial tokens are deleted: {left:?}");
}

#[tokio::test]
async fn a_wrong_identity_is_told_with_its_remedy_and_hides_nothing_else() {
    let scene = Scene::start("wrong", 1).await;
    scene.configure("ecr.toml", ECR);
    scene.configure("acr.toml", ACR);
    let mut command = scene.command(&["check", "--output", "json"]);
    command.env("AWS_SECRET_ACCESS_KEY", "CANARY/of-another-key");
    let report = ended(command).await;
    assert_eq!(report.code, 3, "{report:?}");
    let all = items(&report);
    let mint = item(&all, "ecr", "mint");
    assert_eq!(mint["result"], "failed");
    assert!(mint["detail"].as_str().is_some_and(|text| text.starts_with("denied: ")), "{mint}");
    assert!(mint["remedy"].as_str().is_some_and(|text| !text.is_empty()), "{mint}");
    assert_eq!(item(&all, "ecr", "verify")["result"], "skipped");
    assert_eq!(item(&all, "acr", "verify")["result"], "ok");
    assert!(!report.out.contains("CANARY") && !report.err.contains("CANARY"), "{report:?}");

    scene.around.clouds.fail(Service::AcrToken, Fault::Deny);
    let table = scene.pullmint(&["check"]).await;
    assert_eq!(table.code, 3, "{table:?}");
    assert!(table.out.contains("FAILED   acr") && table.out.contains("remedy: "), "{}", table.out);

    scene.around.clouds.fail(Service::AcrToken, Fault::Reset);
    let table = scene.pullmint(&["check"]).await;
    assert_eq!(table.code, 0, "a registry that gives no verdict is no failure: {table:?}");
    assert!(table.out.contains("WARNING  acr"), "{}", table.out);
}

#[tokio::test]
async fn each_missing_permission_is_named_by_verb_and_resource() {
    let mut scene = Scene::start("unprivileged", 1).await;
    scene.configure("ecr.toml", &format!("{ECR}service_accounts = [\"default\"]\n"));
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), "unprivileged");
    let nobody = ServiceAccount {
        metadata: ObjectMeta { name: Some("nobody".into()), ..ObjectMeta::default() },
        ..ServiceAccount::default()
    };
    accounts.create(&PostParams::default(), &nobody).await.expect("an account");
    let plane = &scene.stage.world.control_plane;
    let kubeconfig = plane.kubeconfig_for_service_account("unprivileged", "nobody").await.expect("a kubeconfig");
    scene.around.identify_to_cluster(kubeconfig);
    let report = scene.pullmint(&["check", "--output", "json"]).await;
    assert_eq!(report.code, 3, "{report:?}");
    let items = items(&report);
    for permission in [
        "list namespaces in all namespaces",
        "watch namespaces in all namespaces",
        "create secrets/pullmint-ecr in all namespaces",
        "patch secrets/pullmint-ecr in all namespaces",
        "patch serviceaccounts/default in all namespaces",
        "create secrets/pullmint-state in unprivileged",
        "watch leases/pullmint in unprivileged",
        "create events in all namespaces",
    ] {
        let item = item(&items, permission, "permission");
        assert_eq!(item["result"], "failed", "{item}");
        assert!(item["remedy"].as_str().is_some_and(|text| text.contains("pullmint rbac")), "{item}");
    }
    assert_eq!(item(&items, "ecr", "verify")["result"], "ok");
}

#[tokio::test]
async fn what_status_and_health_are_served_with_is_tried_and_used() {
    let scene = Scene::start("served", 1).await;
    scene.configure("ecr.toml", ECR);
    let pair = rcgen::generate_simple_self_signed(["pullmint".to_owned()]).expect("a certificate");
    let (certificate, key) = (scene.around.dir().join("tls.crt"), scene.around.dir().join("tls.key"));
    scene.configure_all(&format!(
        "admin.tls_certificate_file = \"{}\"\nadmin.tls_key_file = \"{}\"\n",
        certificate.display(),
        key.display()
    ));
    std::fs::write(&certificate, pair.cert.pem()).expect("a file");
    let report = scene.pullmint(&["check", "--output", "json"]).await;
    assert_eq!(report.code, 3, "{report:?}");
    let missing = items(&report);
    let tls = item(&missing, "admin", "tls");
    assert_eq!(tls["result"], "failed");
    assert!(tls["detail"].as_str().is_some_and(|text| text.contains("tls.key: No such file")), "{tls}");
    assert!(tls["remedy"].as_str().is_some_and(|text| text.contains("tls_key_file")), "{tls}");

    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("a file");
    let report = scene.pullmint(&["check", "--output", "json"]).await;
    assert_eq!((report.code, &item(&items(&report), "admin", "tls")["result"]), (0, &"ok".into()), "{report:?}");

    let _pullmint = scene.run();
    let address = scene.address("pullmint").await;
    let trusted = reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).expect("a certificate");
    let at: SocketAddr = address.parse().expect("an address");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).resolve("pullmint", at);
    let client = client.build().expect("a client");
    let answer = client.get(format!("https://pullmint:{}/livez", at.port())).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let plain = client.get(format!("http://pullmint:{}/livez", at.port())).send().await;
    assert!(plain.is_err(), "in the clear: {plain:?}");
}
