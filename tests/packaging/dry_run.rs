//! A real API server takes every object as it is.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use serde_json::json;
use world::binaries::Program;

use crate::tools::{CHART, EXAMPLES, helm, run, values};

/// Kinds that only a cluster with the Prometheus operator knows.
const WITHOUT_OPERATOR: &str = "serviceMonitor.enabled=false,podMonitor.enabled=false,prometheusRule.enabled=false";

/// Names of releases and values that are rare, each on top of every option.
const ODD: [(&str, &str); 4] = [
    ("a-release.with.dots-and-a-name-as-long-as-helm-allows", "replicas=1"),
    ("pullmint", "replicas=0,rbac.create=false,admissionPolicy.enabled=false,networkPolicy.enabled=false"),
    ("pullmint", "rbac.scope=namespaces,rbac.namespaces={dry-run},podDisruptionBudget.maxUnavailable=50%"),
    ("pullmint", "registries=null,resources=null,dashboard.labels=null,networkPolicy.egressPorts=null,extraEnv=null"),
];

#[tokio::test]
async fn the_api_server_takes_every_object_under_the_restricted_profile_and_warns_of_none() {
    let plane = &world::shared().await.expect("a world").control_plane;
    let client = plane.client().await.expect("a client");
    let labels =
        json!({"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"});
    let namespace = json!({"metadata": {"name": "dry-run", "labels": labels}});
    let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
    Api::all(client).create(&PostParams::default(), &namespace).await.expect("a namespace");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("objects.yaml");
    let everything = values("everything");
    let odd = ODD.map(|(release, set)| (release, everything.clone(), set));
    let examples = EXAMPLES.map(|example| ("pullmint", values(example), "replicas=2"));
    for (release, values, set) in examples.into_iter().chain(odd) {
        let args = ["template", release, CHART, "--namespace", "dry-run", "--skip-tests", "--values", &values];
        let objects = helm(&[&args[..], &["--set", WITHOUT_OPERATOR, "--set", set]].concat()).await.out();
        std::fs::write(&file, objects).expect("a file");
        let file = file.to_str().expect("a path");
        let apply = ["apply", "--server-side", "--dry-run=server", "--filename", file];
        let ran = run(Program::Kubectl, &plane.kubeconfig(), &apply).await;
        assert_eq!((ran.ok, ran.err.as_str()), (true, ""), "{release} {values} {set}: {}", ran.out);
    }
}
