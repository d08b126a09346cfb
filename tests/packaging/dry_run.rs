//! A real API server takes every object as it is, also those that the Prometheus operator's kinds describe.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use world::binaries::Program;
use world::control_plane::ControlPlane;

use crate::tools::{CHART, EXAMPLES, Ran, helm, only, run, template, values};

/// An API server that knows those kinds.
async fn plane() -> &'static ControlPlane {
    let plane = &world::shared().await.expect("a world").control_plane;
    let client = plane.client().await.expect("a client");
    world::prometheus_operator::define(&client).await.expect("the operator's kinds");
    plane
}

/// Applies a file as people do; a field that the API server does not know is an error.
async fn apply(plane: &ControlPlane, file: &Path, further: &[&str]) -> Ran {
    let file = file.to_str().expect("a path");
    let args = ["apply", "--server-side", "--validate=strict", "--filename", file];
    run(Program::Kubectl, &plane.kubeconfig(), &[&args, further].concat()).await
}

/// Names of releases and values that are rare, each on top of every option.
const ODD: [(&str, &str); 4] = [
    ("a-release.with.dots-and-a-name-as-long-as-helm-allows", "replicas=1"),
    ("pullmint", "replicas=0,rbac.create=false,admissionPolicy.enabled=false,networkPolicy.enabled=false"),
    ("pullmint", "rbac.scope=namespaces,rbac.namespaces={dry-run},podDisruptionBudget.maxUnavailable=50%"),
    ("pullmint", "registries=null,resources=null,dashboard.labels=null,networkPolicy.egressPorts=null,extraEnv=null"),
];

#[tokio::test]
async fn the_api_server_takes_every_object_under_the_restricted_profile_and_warns_of_none() {
    let plane = plane().await;
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
    let rendered = async |release: &str, values: &str, set: &str| {
        let args = ["template", release, CHART, "--namespace", "dry-run", "--skip-tests", "--values", values];
        let objects = helm(&[&args[..], &["--set", set]].concat()).await.out();
        std::fs::write(&file, objects).expect("a file");
    };
    for (release, values, set) in examples.into_iter().chain(odd) {
        rendered(release, &values, set).await;
        let ran = apply(plane, &file, &["--dry-run=server"]).await;
        assert_eq!((ran.ok, ran.err.as_str()), (true, ""), "{release} {values} {set}: {}", ran.out);
    }
    // With everything it is made for real.
    rendered("pullmint", &everything, "replicas=2").await;
    let ran = apply(plane, &file, &[]).await;
    assert_eq!((ran.ok, ran.err.as_str()), (true, ""), "{}", ran.out);
    for kind in ["servicemonitor", "podmonitor", "prometheusrule"] {
        let made = format!("{kind}.monitoring.coreos.com/pullmint serverside-applied");
        assert!(ran.out.lines().any(|line| line == made), "{made}: {}", ran.out);
    }
}

#[tokio::test]
async fn a_field_that_the_prometheus_operator_does_not_know_is_refused() {
    let plane = plane().await;
    let objects = template(&["--values", &values("everything")]).await;
    let dir = tempfile::tempdir().expect("a directory");
    for (kind, parent, field, place) in [
        ("ServiceMonitor", "/spec/endpoints/0", "port", ".spec.endpoints[0]"),
        ("PodMonitor", "/spec/podMetricsEndpoints/0", "port", ".spec.podMetricsEndpoints[0]"),
        ("PrometheusRule", "/spec/groups/0/rules/0", "expr", ".rules[0]"),
    ] {
        let mut object = only(&objects, kind).clone();
        object["metadata"]["namespace"] = json!("default");
        let fields = object.pointer_mut(parent).and_then(Value::as_object_mut).expect("fields");
        let value = fields.remove(field).expect("a field");
        fields.insert("prot".to_owned(), value);
        let file = dir.path().join("object.json");
        std::fs::write(&file, object.to_string()).expect("a file");
        let ran = apply(plane, &file, &["--dry-run=server"]).await;
        let words = format!("{place}.prot: field not declared in schema");
        assert!(!ran.ok && ran.err.contains(&words), "{kind}: {}{}", ran.out, ran.err);
    }
}
