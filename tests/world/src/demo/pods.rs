//! Pods on the real node: each is one real pull by containerd with what the kubelet found in the pull Secret.

use std::time::Duration;

use crate::node::pod;
use crate::{Context, Result, WorldError};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource};

/// Makes a pod that pulls an image each time it starts, present or not.
pub(super) async fn create(client: &Client, node: &str, at: (&str, &str), image: &str, secret: &str) -> Result<()> {
    let (namespace, name) = at;
    let mut pod = pod(node, namespace, name, image, &[secret]);
    if let Some(container) = pod.spec.as_mut().and_then(|spec| spec.containers.first_mut()) {
        container.image_pull_policy = Some("Always".to_owned());
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut last = None;
    for _ in 0..100 {
        match pods.create(&PostParams::default(), &pod).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        // A namespace this young may not have its default ServiceAccount yet.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    match last {
        Some(error) => Err(error).context(|| format!("creating pod {namespace}/{name}")),
        None => Ok(()),
    }
}

/// Waits until the kubelet says that it got no image; returns its reason, such as `ErrImagePull`.
pub(super) async fn until_refused(client: &Client, (namespace, name): (&str, &str)) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let refused = |pod: Option<&Pod>| waits_for(pod).is_some_and(|reason| reason.contains("ImagePull"));
    let pod = await_condition(pods, name, refused).await.context(|| format!("watching pod {namespace}/{name}"))?;
    Ok(waits_for(pod.as_ref()).unwrap_or_default())
}

/// Waits until it runs; returns what the kubelet said of the pull.
pub(super) async fn until_running(client: &Client, (namespace, name): (&str, &str)) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let running = |pod: Option<&Pod>| {
        statuses(pod).any(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()))
    };
    await_condition(pods, name, running).await.context(|| format!("watching pod {namespace}/{name}"))?;
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let pulled = ListParams::default().fields(&format!("involvedObject.name={name},reason=Pulled"));
    // Events come on their own way, a moment later.
    for _ in 0..50 {
        let found = events.list(&pulled).await.context(|| "listing events")?;
        if let Some(message) = found.items.into_iter().next_back().and_then(|event| event.message) {
            return Ok(time_of(&message));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(WorldError::new(format!("pod {namespace}/{name} runs, but the kubelet tells of no pull")))
}

/// Ends a pod without asking it.
pub(super) async fn delete(client: &Client, (namespace, name): (&str, &str)) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    // All of them end with the demo at the latest.
    pods.delete(name, &DeleteParams::default().grace_period(0)).await.ok();
}

fn statuses(pod: Option<&Pod>) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.filter(|pod| pod.meta().deletion_timestamp.is_none()).and_then(|pod| pod.status.as_ref());
    status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten()
}

fn waits_for(pod: Option<&Pod>) -> Option<String> {
    statuses(pod).find_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone())
}

/// `213 ms` of `Successfully pulled image "…" in 213ms (213ms including waiting). Image size: …`.
fn time_of(message: &str) -> String {
    let after = message.split(" in ").nth(1).unwrap_or_default();
    let time = after.split(' ').next().unwrap_or_default();
    let unit = time.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(time.len());
    format!("{} {}", &time[..unit], &time[unit..])
}
