//! The limit: the same applies by a bare loop, at the same concurrency, on one thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use pullmint::credential::{Credential, Expiry};
use pullmint::dockerconfig;
use pullmint::registry::{Host, RegistryName};
use pullmint::sync::decide::{Entry, Observed};
use pullmint::sync::manifest::{self, Rendered};

use crate::bed::{Bed, IN_FLIGHT, PASSWORD_LENGTH};

/// What the last pass left, by namespace: the next one applies over that very version, as pullmint does.
pub(crate) type Left = Arc<Mutex<HashMap<String, Observed>>>;

/// Applies one Secret to every namespace, with a content that nothing had before. Returns how long that took.
pub(crate) async fn apply_everywhere(bed: &Bed, content: &str) -> Duration {
    let (namespaces, kubeconfig, left) = (bed.namespace_names(), bed.kubeconfig(), bed.left());
    let rendered = rendered(content);
    // One thread and a client of its own, as pullmint has.
    let loops = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = world::client(&kubeconfig).await.expect("a client");
            let started = Instant::now();
            futures::stream::iter(&namespaces)
                .for_each_concurrent(IN_FLIGHT, async |namespace| {
                    let over = left.lock().expect("no panic").get(namespace).cloned();
                    let manifest = rendered.manifest(namespace, "bare", "bench", over.as_ref());
                    let api = Api::<Secret>::namespaced(client.clone(), namespace);
                    let params = PatchParams::apply("bench").force();
                    let secret = api.patch_metadata("bare", &params, &Patch::Apply(&manifest)).await.expect("an apply");
                    left.lock().expect("no panic").insert(namespace.clone(), manifest::observe(&secret, "bench"));
                })
                .await;
            started.elapsed()
        })
    };
    tokio::task::spawn_blocking(loops).await.expect("the loop ends")
}

/// As large as what ECR's tokens make.
fn rendered(content: &str) -> Rendered {
    let host: Host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com".parse().expect("a host");
    let password = format!("{content:x<PASSWORD_LENGTH$}");
    let now = Timestamp::now();
    let entry = Entry { minted_at: now, expiry: Expiry::At(now) };
    let credential =
        Credential { username: "AWS".to_owned(), password: password.into(), expiry: entry.expiry, handle: None };
    Rendered::new(vec![(RegistryName::new("ecr"), entry)], &dockerconfig::render([(&host, &credential)]))
}
