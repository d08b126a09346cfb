//! With Roles per namespace the real program serves the namespaces that have one, and writes nowhere else; `check` says
//! which selected ones have none.

use std::process::Stdio;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::process::Command;
use world::Stage;
use world::binaries::Program;

use crate::tools::{CHART, run, values};

#[tokio::test]
async fn with_the_scope_namespaces_the_listed_ones_are_served_and_the_others_reported() {
    let mut stage = Stage::start(false).await.expect("a stage");
    stage.push_images().await.expect("images");
    let plane = &stage.world.control_plane;
    let client = plane.client().await.expect("a client");
    world::create_namespaces(&client, "team", 2, &[]).await.expect("namespaces");
    let set = "replicas=0,rbac.scope=namespaces,rbac.namespaces={team-0}";
    let args = ["install", "pullmint", CHART, "--namespace", "pullmint", "--create-namespace", "--set", set];
    let values = values("eks");
    run(Program::Helm, &plane.kubeconfig(), &[&args[..], &["--values", &values]].concat()).await.out();
    let token = plane.kubeconfig_for_service_account("pullmint", "pullmint").await.expect("a token");
    stage.identify_to_cluster(token);
    stage.configure("pullmint.toml", "ca_file = \"{ca_file}\"\n").expect("a file");
    let ecr = std::fs::read_to_string("deploy/kustomize/overlays/eks/ecr.toml").expect("a file");
    stage.configure("ecr.toml", &ecr).expect("a file");

    let (code, _, said) = pullmint(&stage, "once").await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("team-1") && said.contains("forbidden"), "{said}");
    let secret = async |namespace: &str| {
        Api::<Secret>::namespaced(client.clone(), namespace).get_opt("pullmint-ecr").await.expect("an answer")
    };
    assert!(secret("team-0").await.is_some(), "{said}");
    assert!(secret("team-1").await.is_none());

    let (code, told, _) = pullmint(&stage, "check").await;
    assert_eq!(code, Some(3), "{told}");
    let failed = "FAILED   patch secrets/pullmint-ecr in the selected namespaces";
    let line = told.lines().find(|line| line.starts_with(failed)).unwrap_or_else(|| panic!("{told}"));
    assert!(line.ends_with("not allowed in team-1"), "{line}");
    assert!(told.contains("`rbac.namespaces` of the chart") && !told.contains("kubectl apply"), "{told}");

    stage.configure("ecr.toml", &ecr.replace("team-*", "team-0")).expect("a file");
    let (code, told, _) = pullmint(&stage, "check").await;
    assert_eq!(code, Some(0), "what is selected has its Role: {told}");
    assert!(told.contains("ok       delete secrets/pullmint-ecr in the selected namespaces"), "{told}");
}

/// A command's exit code, results and messages.
async fn pullmint(stage: &Stage, command: &str) -> (Option<i32>, String, String) {
    let mut pullmint = Command::new(env!("CARGO_BIN_EXE_pullmint"));
    pullmint.args([command, "--config"]).arg(stage.config()).envs(stage.env()).stdin(Stdio::null()).kill_on_drop(true);
    let ended = pullmint.output().await.expect("a start");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}
