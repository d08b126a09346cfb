//! Objects of any kind.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::{Context, Result, WorldError};

/// Applies one object, as `kubectl apply --server-side` does.
pub async fn apply(client: &Client, object: &DynamicObject, params: &PatchParams) -> Result<()> {
    let types = object.types.clone().ok_or_else(|| WorldError::new("an object without kind"))?;
    let TypeMeta { api_version, kind } = types;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.name_any();
    api.patch(&name, params, &Patch::Apply(object)).await.map(drop).context(|| format!("applying {kind} {name}"))
}

/// Applies all of these, each with its kind and API version, in the name of a test.
pub async fn apply_all(client: &Client, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object).context(|| "reading an object")?;
        apply(client, &object, &PatchParams::apply("test")).await?;
    }
    Ok(())
}
