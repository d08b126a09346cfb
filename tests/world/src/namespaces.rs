//! Namespaces by the thousand.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::ObjectMeta, api::PostParams};

use crate::{Context, Result};

/// Creates the namespaces `PREFIX-0` to `PREFIX-(n-1)` with the given labels, 16 at a time; returns their names.
pub async fn create_namespaces(
    client: &Client,
    prefix: &str,
    n: usize,
    labels: &[(&str, &str)],
) -> Result<Vec<String>> {
    let api: Api<Namespace> = Api::all(client.clone());
    let labels: BTreeMap<_, _> = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let create = |index: usize| {
        let (api, labels) = (api.clone(), labels.clone());
        let name = format!("{prefix}-{index}");
        async move {
            let metadata = ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() };
            let namespace = Namespace { metadata, ..Namespace::default() };
            let made = api.create(&PostParams::default(), &namespace).await;
            made.map(|_| name.clone()).context(|| format!("creating namespace {name}"))
        }
    };
    stream::iter(0..n).map(create).buffered(16).try_collect().await
}
