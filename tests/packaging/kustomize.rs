//! The same objects for those who do without Helm.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use world::binaries::Program;

use crate::tools::{objects, run, template, values};

/// Objects by kind, namespace and name, as far as both tools must agree on them.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    // A chart is installed into a namespace that exists.
    let objects = objects.into_iter().filter(|object| object["kind"] != "Namespace");
    let named = objects.map(|mut object| {
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        let labels = metadata["labels"].as_object_mut().expect("labels");
        // Who made it.
        labels.retain(|label, _| label != "helm.sh/chart" && label != "app.kubernetes.io/managed-by");
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        if object["kind"] == "ConfigMap" {
            parse_files(object["data"].as_object_mut().expect("files"));
        }
        (format!("{} {namespace}/{name}", object["kind"]), object)
    });
    named.collect()
}

/// Files of TOML are the same if they say the same.
fn parse_files(files: &mut Map<String, Value>) {
    for (name, file) in files {
        let text = file.as_str().expect("a text");
        let read: toml::Table = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        *file = serde_json::to_value(read).expect("JSON");
    }
}

async fn kustomized(dir: &str) -> BTreeMap<String, Value> {
    let dir = format!("deploy/kustomize/{dir}");
    by_name(objects(&run(Program::Kubectl, Path::new("/dev/null"), &["kustomize", &dir]).await.out()))
}

#[track_caller]
fn assert_same(kustomized: &BTreeMap<String, Value>, rendered: &BTreeMap<String, Value>) {
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(kustomized), names(rendered));
    for (name, object) in kustomized {
        assert_eq!(*object, rendered[name], "{name}: kustomize on the left, Helm on the right");
    }
}

#[tokio::test]
async fn the_base_is_the_chart_with_its_defaults() {
    assert_same(&kustomized("base").await, &by_name(template(&[]).await));
}

#[tokio::test]
async fn the_overlays_are_the_chart_with_the_values_of_the_same_name() {
    for example in ["eks", "aks"] {
        let rendered = by_name(template(&["--values", &values(example)]).await);
        assert_same(&kustomized(&format!("overlays/{example}")).await, &rendered);
    }
}
