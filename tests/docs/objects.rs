//! Objects that the pages take for granted.

use std::fmt::Debug;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::core::{NamespaceResourceScope, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Makes an object as this field manager does.
pub(crate) async fn make<K>(scene: &Scene, namespace: &str, manager: &str, object: Value) -> K
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    let object: K = serde_json::from_value(object).expect("an object");
    let params = PostParams { field_manager: Some(manager.to_owned()), dry_run: false };
    Api::<K>::namespaced(scene.client.clone(), namespace).create(&params, &object).await.expect("a new object")
}

/// A workload that runs nowhere, since there is no node.
pub(crate) fn workload(name: &str, pull_secrets: &Value) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": name, "image": "example.com/image" }], "imagePullSecrets": pull_secrets },
            },
        },
    })
}

/// Makes kinds known to the API server, by group, version, name and scope, whatever their objects look like.
pub(crate) async fn make_kinds(scene: &Scene, kinds: &[((&str, &str, &str), &str)]) {
    for ((group, version, kind), scope) in kinds {
        let plural = format!("{}s", kind.to_lowercase());
        let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let definition = json!({
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group,
                "scope": scope,
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
            },
        });
        let definition: CustomResourceDefinition = serde_json::from_value(definition).expect("a definition");
        let definitions = Api::<CustomResourceDefinition>::all(scene.client.clone());
        definitions.create(&PostParams::default(), &definition).await.expect("a new kind");
    }
}
