//! Every page's commands, from its top to its bottom, but for those that [`runners`] gives to other tests.

use clap::Parser;
use clap::error::ErrorKind;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::api::{Api, Patch, PatchParams};
use pullmint::cli::Cli;
use serde_json::json;

use crate::objects::make;
use crate::pages::{self, Page};
use crate::runners::{self, Runner};
use crate::scene::{ECR, Scene};
use crate::shell::Shell;

/// Where the pages on alerts are, which one test reads.
const RUNBOOKS: &str = "docs/runbooks/";

#[test]
fn every_page_with_commands_is_read_by_a_test() {
    let tests = [include_str!("aws.rs"), include_str!("azure.rs"), include_str!("commands.rs")];
    let tests = [&tests.concat(), include_str!("external_secrets.rs"), include_str!("migration.rs")].concat();
    for page in pages::all() {
        let own = page.commands().into_iter().filter(|command| runners::of(command) == Runner::Page).count();
        let opened = tests.contains(&format!("\"{}\"", page.path)) || page.path.starts_with(RUNBOOKS);
        assert!(opened || own == 0, "no test runs the {own} commands of {}", page.path);
    }
}

#[test]
fn whatever_a_page_leaves_to_another_test_is_in_the_pages() {
    let all: Vec<_> = pages::all().iter().flat_map(Page::commands).collect();
    for (beginning, _) in runners::OTHERS {
        assert!(all.iter().any(|command| command.contains(beginning)), "no page has `{beginning}` any more");
    }
}

#[test]
fn every_command_of_pullmint_that_a_sentence_names_is_understood() {
    for page in pages::all() {
        for mentioned in page.mentions(&["pullmint"]) {
            let command = mentioned.split(" | ").next().unwrap_or_default().replace("COMMAND", "why");
            let refused = Cli::try_parse_from(command.split_whitespace()).err();
            let refused = refused.filter(|error| error.kind() != ErrorKind::DisplayHelp);
            assert!(refused.is_none(), "{}: {mentioned}\n{}", page.path, refused.expect("an error"));
        }
    }
}

/// An installed pullmint's ServiceAccount, which the pages annotate.
pub(crate) async fn with_account(scene: &Scene) {
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
async fn the_guide_to_docker_hub_can_be_followed() {
    let scene = Scene::start("docs-hub", 0).await;
    let own = [("namespace pullmint", "namespace docs-hub")];
    let shell = Shell::open(&scene, "docs/providers/docker-hub.md", &own).await;
    shell.finish().await;
}

#[tokio::test]
async fn what_is_installed_can_be_upgraded_and_uninstalled_without_a_trace() {
    let scene = Scene::start("docs-install", 2).await;
    let own = [
        ("namespace pullmint", "namespace docs-install-own"),
        ("dev/owner=pullmint", "dev/owner=docs-install-own"),
        ("\"pullmint/", "\"docs-install-own/"),
    ];
    let mut shell = Shell::open(&scene, "docs/install.md", &own).await;
    let applied = shell.until("kubectl apply --filename pullmint.yaml").await;
    assert!(applied.contains("deployment.apps/pullmint") && !applied.contains("pod/"), "{applied}");
    shell.turn_to("docs/upgrade.md").await;
    // There is no node for the Deployment's pods, so this does their work, where and how no file says by `include`.
    let selected = "namespaces.selector = \"kubernetes.io/metadata.name in (docs-install-0,docs-install-1)\"";
    scene.configure("pullmint.toml", &format!("ca_file = \"{{ca_file}}\"\n{selected}\n"));
    scene.configure("ecr.toml", &format!("{ECR}service_accounts = [\"default\"]\n"));
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), "docs-install-1");
    let theirs = Patch::Merge(json!({ "imagePullSecrets": [{ "name": "theirs" }] }));
    accounts.patch("default", &PatchParams::default(), &theirs).await.expect("an account");
    let pass = scene.pullmint(&["once", "--namespace", "docs-install-own"]).await;
    assert_eq!(pass.code, 0, "{pass:?}");
    scene.until_secret("docs-install-1", "pullmint-ecr").await;
    let names = async || {
        let account = accounts.get("default").await.expect("an account");
        let noted =
            account.metadata.annotations.is_some_and(|all| all.contains_key("pullmint.dev/added-image-pull-secrets"));
        let names: Vec<_> = account.image_pull_secrets.into_iter().flatten().map(|secret| secret.name).collect();
        (names, noted)
    };
    assert_eq!(names().await, (vec!["theirs".to_owned(), "pullmint-ecr".to_owned()], true));
    shell.turn_to("docs/uninstall.md").await;
    shell.until("kubectl delete secrets").await;
    assert_eq!(names().await, (vec!["theirs".to_owned()], false));
    assert_eq!(scene.count("pullmint-ecr").await, 0);
    shell.finish().await;
}

#[tokio::test]
async fn the_charts_own_page_can_be_followed() {
    let scene = Scene::start("docs-chart", 0).await;
    let own = [("namespace pullmint", "namespace docs-chart-own")];
    let mut shell = Shell::open(&scene, "deploy/helm/pullmint/README.md", &own).await;
    shell.until("helm install").await;
    let state = json!({ "metadata": { "name": "pullmint-state" } });
    make::<Secret>(&scene, "docs-chart-own", "test", state).await;
    shell.finish().await;
}

#[tokio::test]
async fn what_to_look_at_and_the_runbooks_can_be_followed() {
    let scene = Scene::start("docs-runbooks", 2).await;
    scene.configure("ecr.toml", ECR);
    scene.configure_all("admin.authenticate = true\n");
    let _pullmint = scene.run();
    scene.until_secret("docs-runbooks-0", "pullmint-ecr").await;
    scene.until_secret("docs-runbooks", "pullmint-state").await;
    let address = scene.address("pullmint").await;
    let own = [
        ("-n pullmint", "-n docs-runbooks"),
        ("--namespace pullmint", "--namespace docs-runbooks"),
        ("--serviceaccount pullmint:", "--serviceaccount docs-runbooks:"),
        ("serviceaccount:pullmint:", "serviceaccount:docs-runbooks:"),
        ("localhost:8080", &address),
        ("NAMESPACE", "docs-runbooks-0"),
        ("NAME", "pullmint-ecr"),
        ("POD", "pullmint-0"),
        ("DIR", "my-config"),
    ];
    let pod = json!({
        "metadata": { "name": "pullmint-0", "labels": { "app.kubernetes.io/name": "pullmint" } },
        "spec": { "containers": [{ "name": "pullmint", "image": "example.com/pullmint" }] },
    });
    let mut shell = Shell::open(&scene, "docs/watch.md", &own).await;
    let status = shell.until("curl").await;
    assert!(status.contains("\"registries\""), "{status}");
    let http = world::plain_http().expect("a client");
    for (path, code) in [("/status.json", 401), ("/livez", 200)] {
        let answer = http.get(format!("http://{address}{path}")).send().await.expect("an answer");
        assert_eq!(answer.status(), code, "{path} without a token");
    }
    let expiries = shell.until("custom-columns").await;
    assert!(expiries.contains("docs-runbooks-0") && expiries.contains("Z"), "{expiries}");
    make::<Pod>(&scene, "docs-runbooks", "test", pod).await;
    world::prometheus_operator::define(&scene.client).await.expect("the operator's kinds");
    shell.run("pullmint rbac --config my-config --namespace docs-runbooks | kubectl apply --filename -").await;

    for page in pages::all().into_iter().filter(|page| page.path.starts_with(RUNBOOKS)) {
        let mut shell = Shell::open(&scene, &page.path, &own).await;
        shell.read_on().await;
        for cure in page.mentions(&["kubectl", "pullmint rbac"]) {
            shell.run(&cure).await;
        }
        // One of the cures takes the lease away.
        shell.run("kubectl wait --for=create lease/pullmint -n docs-runbooks --timeout 60s").await;
    }
}
