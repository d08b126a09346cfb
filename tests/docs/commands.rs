//! Every command in the pages is run by a test, or stands in a short list of those that cannot be run here.

use std::process::Command;

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use serde_json::json;
use world::ports::Port;

use crate::objects::{make, make_kinds};
use crate::pages::{self, Page};
use crate::scene::{ECR, Scene};
use crate::shell::Shell;

/// Commands that no page's test runs, by how they begin, and why.
const ELSEWHERE: [(&str, &str); 16] = [
    ("aws ", "no AWS account takes part"),
    ("az ", "no Azure subscription takes part"),
    ("ISSUER=$(az ", "no Azure subscription takes part"),
    ("PRINCIPAL=$(az ", "no Azure subscription takes part"),
    ("SCOPE=$(az ", "no Azure subscription takes part"),
    ("make demo", "tests/demo.rs runs it"),
    ("make test", "it runs this very test"),
    ("make image", "`make image-test` does, and runs the image"),
    ("skopeo copy", "there is no registry of that name"),
    ("cargo install", "the tests run what cargo built for them"),
    ("kubectl rollout status", "a Deployment of pullmint's image needs a node, which the chart's own tests have"),
    ("kubectl logs", "the same"),
    ("kubectl port-forward", "the same"),
    ("helm test", "the same"),
    ("kubectl -n pullmint logs", "the same"),
    ("kubectl -n pullmint exec", "the same"),
];

/// Where the pages on alerts are, which one test reads.
const RUNBOOKS: &str = "docs/runbooks/";

/// Why a command is not run here, if it is not.
pub(crate) fn runs_elsewhere(command: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(beginning, _)| command.starts_with(beginning)).map(|(_, why)| *why)
}

#[test]
fn every_page_with_commands_is_read_by_a_test() {
    let tests = [include_str!("commands.rs"), include_str!("migration.rs")].concat();
    for page in pages::all() {
        let runnable = page.commands().into_iter().filter(|command| runs_elsewhere(command).is_none()).count();
        let opened = tests.contains(&format!(", \"{}\", ", page.path)) || page.path.starts_with(RUNBOOKS);
        assert!(opened || runnable == 0, "no test runs the {runnable} commands of {}", page.path);
    }
}

#[test]
fn what_is_run_elsewhere_is_in_the_pages_and_understood_by_a_shell() {
    let all: Vec<_> = pages::all().iter().flat_map(Page::commands).collect();
    for (beginning, _) in ELSEWHERE {
        assert!(all.iter().any(|command| command.starts_with(beginning)), "no page has `{beginning}` any more");
    }
    for command in all.iter().filter(|command| runs_elsewhere(command).is_some()) {
        let bash = Command::new("bash").args(["-n", "-c", command]).output().expect("bash");
        assert!(bash.status.success(), "bash does not understand: {command}");
    }
}

/// An installed pullmint's ServiceAccount, which the pages annotate.
async fn with_account(scene: &Scene) {
    make::<ServiceAccount>(scene, scene.name, "test", json!({ "metadata": { "name": "pullmint" } })).await;
}

#[tokio::test]
async fn the_readme_leads_to_a_synced_cluster() {
    let scene = Scene::start("docs-readme", 2).await;
    let own = [("namespace pullmint", "namespace docs-readme-own")];
    let mut shell = Shell::open(&scene, "README.md", &own).await;
    shell.until("pullmint once").await;
    let seen = shell.until("kubectl get secrets").await;
    assert!(seen.contains("docs-readme-0") && seen.contains("docs-readme-1"), "{seen}");
    shell.finish().await;
}

#[tokio::test]
async fn the_guide_to_ecr_can_be_followed() {
    let scene = Scene::start("docs-ecr", 0).await;
    with_account(&scene).await;
    let own = [("namespace pullmint", "namespace docs-ecr")];
    let shell = Shell::open(&scene, "docs/providers/ecr.md", &own).await;
    shell.finish().await;
}

#[tokio::test]
async fn the_guide_to_acr_can_be_followed() {
    let scene = Scene::start("docs-acr", 0).await;
    with_account(&scene).await;
    let own = [("namespace pullmint", "namespace docs-acr")];
    let shell = Shell::open(&scene, "docs/providers/acr.md", &own).await;
    shell.finish().await;
}

#[tokio::test]
async fn the_guide_to_docker_hub_can_be_followed() {
    let scene = Scene::start("docs-hub", 0).await;
    let own = [("namespace pullmint", "namespace docs-hub")];
    let shell = Shell::open(&scene, "docs/providers/docker-hub.md", &own).await;
    shell.finish().await;
}

#[tokio::test]
async fn what_is_installed_can_be_upgraded_and_uninstalled_without_a_trace() {
    let scene = Scene::start("docs-install", 2).await;
    let own =
        [("namespace pullmint", "namespace docs-install-own"), ("dev/owner=pullmint", "dev/owner=docs-install-own")];
    let shell = Shell::open(&scene, "docs/install.md", &own).await;
    shell.finish().await;
    // There is no node for the Deployment's pods, so this does their work.
    let pass = scene.pullmint(&["once", "--namespace", "docs-install-own"]).await;
    assert_eq!(pass.code, 0, "{pass:?}");
    scene.until_secret("docs-install-1", "pullmint-ecr").await;
    let shell = Shell::open(&scene, "docs/upgrade.md", &own).await;
    shell.finish().await;
    let mut shell = Shell::open(&scene, "docs/uninstall.md", &own).await;
    let left = shell.until("kubectl get secrets").await;
    assert_eq!(left, "");
    shell.finish().await;
}

#[tokio::test]
async fn what_to_look_at_and_the_runbooks_can_be_followed() {
    let scene = Scene::start("docs-runbooks", 2).await;
    scene.configure("ecr.toml", ECR);
    let port = Port::free().expect("a port");
    let listen = format!("[admin]\nlisten = \"127.0.0.1:{port}\"\n");
    let global = "ca_file = \"{ca_file}\"\nnamespaces.include = [\"docs-runbooks-*\"]\n";
    scene.configure("pullmint.toml", &format!("{global}{listen}"));
    let _pullmint = scene.run();
    scene.until_secret("docs-runbooks-0", "pullmint-ecr").await;
    scene.until_secret("docs-runbooks", "pullmint-state").await;
    let pod = json!({
        "metadata": { "name": "pullmint-0", "labels": { "app.kubernetes.io/name": "pullmint" } },
        "spec": { "containers": [{ "name": "pullmint", "image": "example.com/pullmint" }] },
    });
    let mut shell = Shell::open(&scene, "docs/watch.md", &[]).await;
    let expiries = shell.until("custom-columns").await;
    assert!(expiries.contains("docs-runbooks-0") && expiries.contains("Z"), "{expiries}");
    make::<Pod>(&scene, "docs-runbooks", "test", pod).await;
    let monitors = ["ServiceMonitor", "PodMonitor"].map(|kind| ("monitoring.coreos.com", "v1", kind));
    make_kinds(&scene, &monitors).await;
    shell.run("pullmint rbac --config my-config --namespace docs-runbooks | kubectl apply --filename -").await;

    // Without a node there is no way through the API server to the pod: pullmint runs beside it.
    let there = format!("curl --silent --show-error --fail \"http://127.0.0.1:{port}");
    let own = [
        ("kubectl get --raw \"/api/v1/namespaces/pullmint/pods/$LEADER:8080/proxy", there.as_str()),
        ("kubectl get --raw \"/api/v1/namespaces/pullmint/pods/POD:8080/proxy", &there),
        ("-n pullmint", "-n docs-runbooks"),
        ("serviceaccount:pullmint:", "serviceaccount:docs-runbooks:"),
        ("NAMESPACE", "docs-runbooks-0"),
        ("NAME", "pullmint-ecr"),
        ("POD", "pullmint-0"),
        ("DIR", "my-config"),
    ];
    for page in pages::all().into_iter().filter(|page| page.path.starts_with(RUNBOOKS)) {
        let shell = Shell::open(&scene, &page.path, &own).await;
        shell.finish().await;
    }
}
