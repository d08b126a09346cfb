//! Every command in the pages is run by a test, or stands in a short list of those that cannot be run here.

use std::process::Command;

use crate::pages::{self, Page};
use crate::scene::Scene;
use crate::shell::Shell;

/// Commands that no page's test runs, by how they begin, and why.
const ELSEWHERE: [(&str, &str); 11] = [
    ("aws ", "no AWS account takes part"),
    ("az ", "no Azure subscription takes part"),
    ("ISSUER=$(az ", "no Azure subscription takes part"),
    ("PRINCIPAL=$(az ", "no Azure subscription takes part"),
    ("SCOPE=$(az ", "no Azure subscription takes part"),
    ("make demo", "tests/demo.rs runs it"),
    ("make test", "it runs this very test"),
    ("cargo install", "the tests run what cargo built for them"),
    ("kubectl rollout status", "a Deployment of pullmint's image needs a node, which the chart's own tests have"),
    ("kubectl logs", "the same"),
    ("helm test", "the same"),
];

/// Why a command is not run here, if it is not.
pub(crate) fn runs_elsewhere(command: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(beginning, _)| command.starts_with(beginning)).map(|(_, why)| *why)
}

#[test]
fn every_page_with_commands_is_read_by_a_test() {
    let tests = [include_str!("commands.rs"), include_str!("migration.rs")].concat();
    for page in pages::all() {
        let runnable = page.commands().into_iter().filter(|command| runs_elsewhere(command).is_none()).count();
        let opened = tests.contains(&format!(", \"{}\", ", page.path));
        assert!(opened || runnable == 0, "no test runs the {runnable} commands of {}", page.path);
    }
}

#[test]
fn what_is_run_elsewhere_is_in_the_pages_and_spelled_out() {
    let all: Vec<_> = pages::all().iter().flat_map(Page::commands).collect();
    for (beginning, _) in ELSEWHERE {
        assert!(all.iter().any(|command| command.starts_with(beginning)), "no page has `{beginning}` any more");
    }
    for command in all.iter().filter(|command| runs_elsewhere(command).is_some()) {
        let bash = Command::new("bash").args(["-n", "-c", command]).output().expect("bash");
        assert!(bash.status.success(), "bash does not understand: {command}");
        let short = command.split_whitespace().find(|word| word.starts_with('-') && !word.starts_with("--"));
        assert!(short.is_none(), "{short:?} says nothing to a reader: {command}");
    }
}

/// An installed pullmint's ServiceAccount, which the pages annotate.
async fn with_account(scene: &Scene) {
    let account = serde_json::json!({ "metadata": { "name": "pullmint" } });
    let account = serde_json::from_value(account).expect("a ServiceAccount");
    let accounts: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> =
        kube::Api::namespaced(scene.client.clone(), scene.name);
    accounts.create(&Default::default(), &account).await.expect("a ServiceAccount");
}

#[tokio::test]
async fn the_readme_leads_to_a_synced_cluster() {
    let scene = Scene::start("docs-readme", 2).await;
    let own = [("namespace pullmint", "namespace docs-readme-own")];
    let Some(mut shell) = Shell::open(&scene, "README.md", &own) else { return };
    shell.until("pullmint once").await;
    let seen = shell.until("kubectl get secrets").await;
    assert!(seen.contains("docs-readme-0") && seen.contains("docs-readme-1"), "{seen}");
    shell.to_the_end().await;
}

#[tokio::test]
async fn the_guide_to_ecr_can_be_followed() {
    let scene = Scene::start("docs-ecr", 0).await;
    with_account(&scene).await;
    let own = [("namespace pullmint", "namespace docs-ecr")];
    let Some(shell) = Shell::open(&scene, "docs/providers/ecr.md", &own) else { return };
    shell.to_the_end().await;
}

#[tokio::test]
async fn the_guide_to_acr_can_be_followed() {
    let scene = Scene::start("docs-acr", 0).await;
    with_account(&scene).await;
    let own = [("namespace pullmint", "namespace docs-acr")];
    let Some(shell) = Shell::open(&scene, "docs/providers/acr.md", &own) else { return };
    shell.to_the_end().await;
}

#[tokio::test]
async fn the_guide_to_docker_hub_can_be_followed() {
    let scene = Scene::start("docs-hub", 0).await;
    let own = [("namespace pullmint", "namespace docs-hub")];
    let Some(shell) = Shell::open(&scene, "docs/providers/docker-hub.md", &own) else { return };
    shell.to_the_end().await;
}

#[tokio::test]
async fn what_is_installed_can_be_upgraded_and_uninstalled_without_a_trace() {
    let scene = Scene::start("docs-install", 2).await;
    let own =
        [("namespace pullmint", "namespace docs-install-own"), ("dev/owner=pullmint", "dev/owner=docs-install-own")];
    let Some(shell) = Shell::open(&scene, "docs/install.md", &own) else { return };
    shell.to_the_end().await;
    // There is no node for the Deployment's pods, so this does their work.
    let pass = scene.pullmint(&["once"]).await;
    assert_eq!(pass.code, 0, "{pass:?}");
    scene.until_secret("docs-install-1", "pullmint-ecr").await;
    let Some(shell) = Shell::open(&scene, "docs/upgrade.md", &own) else { return };
    shell.to_the_end().await;
    let Some(mut shell) = Shell::open(&scene, "docs/uninstall.md", &own) else { return };
    let left = shell.until("kubectl get secrets").await;
    assert_eq!(left, "");
    shell.to_the_end().await;
}
