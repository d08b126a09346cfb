//! Objects of any kind.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt};

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
