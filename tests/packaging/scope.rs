//! With Roles per namespace the real program serves the namespaces that have one, and writes nowhere else.

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

    let mut once = Command::new(env!("CARGO_BIN_EXE_pullmint"));
    once.args(["once", "--config"]).arg(stage.config()).envs(stage.env()).stdin(Stdio::null()).kill_on_drop(true);
    let ended = once.output().await.expect("a start");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("team-1") && said.contains("forbidden"), "{said}");
    let secret = async |namespace: &str| {
        Api::<Secret>::namespaced(client.clone(), namespace).get_opt("pullmint-ecr").await.expect("an answer")
    };
    assert!(secret("team-0").await.is_some(), "{said}");
    assert!(secret("team-1").await.is_none());
}
