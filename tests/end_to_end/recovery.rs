//! What a renewed credential does for pods that have waited for it: with recovery, and without it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::conditions::is_pod_running;
use kube::runtime::wait::Condition;
use pullmint::clock::{Clock, SystemClock};
use serde_json::json;
use world::Node;
use world::clouds::Service;

use crate::scene::{ACR, Scene};

/// Two images: one that is on the node already starts without a pull, and without any back-off.
const IMAGE: &str = "acme.azurecr.io/team/app:1";
const OTHER: &str = "acme.azurecr.io/team/app:slow";

const NAMESPACE: &str = "recovery-0";

/// The kubelet waits 40 s after the third attempt, and it takes a while until there are three.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_pod_that_waited_for_a_renewed_credential_is_made_anew_and_runs_before_the_kubelet_would_have_tried_again() {
    if let Err(why) = Node::available() {
        return world::skip(&why);
    }
    let scene = Scene::start("recovery", 1).await;
    let node = scene.node().await;
    scene.stage.push_images_as("slow").await.expect("images");
    scene.configure_all("[pulls]\nexplain = true\nrecover = true\n");
    scene.configure("acr.toml", ACR);
    let _pullmint = scene.run();
    let dead = scene.until_secret(NAMESPACE, "pullmint-acr").await;
    scene.around.clouds.revoke_all(Service::AcrExchange);

    // Nothing makes a bare pod again, so it waits as every pod does without recovery.
    let pods = Pods { scene: &scene, api: Api::namespaced(scene.client.clone(), NAMESPACE) };
    let bare = pods.create(node.pod(NAMESPACE, "bare", OTHER, &["pullmint-acr"])).await;
    let replica = pods.replica_of(node.pod(NAMESPACE, "web", IMAGE, &["pullmint-acr"])).await;
    pods.until_refused(&bare, 3).await;
    pods.until_refused(&replica, 3).await;
    pods.until_refused_for("PM303", 2).await;

    // Another scope takes another credential.
    scene.configure("acr.toml", &format!("{ACR}repositories = [\"team/app\"]\n"));
    scene.until_changed(NAMESPACE, "pullmint-acr", &dead).await;
    let repaired = SystemClock.uptime();
    let anew = scene.until("another pod to run", PATIENCE, async || pods.running_but(&[&bare, &replica]).await).await;
    let with = SystemClock.uptime() - repaired;
    assert!(anew.owner_references().iter().any(|owner| owner.name == "web"), "{anew:?}");

    pods.until_counted("pullmint_pod_recoveries_total{outcome=\"deleted\"} 1").await;
    scene.until_said(&["INFO", "deleted a pod", "namespace=\"recovery-0\"", "ReplicaSet/web", "registry=acr"]).await;
    let told = async || pods.events("web").await.into_iter().find(|it| it.reason.as_deref() == Some("PodRecovered"));
    let told = scene.until("an Event at the ReplicaSet", PATIENCE, told).await;
    assert!(told.message.is_some_and(|note| note.contains(&replica.name_any())));

    let bare_runs = async || pods.get("bare").await.filter(|pod| is_pod_running().matches_object(Some(pod)));
    let waited = scene.until("the bare pod to run", PATIENCE, bare_runs).await;
    let without = SystemClock.uptime() - repaired;
    assert_eq!(waited.uid(), bare.uid(), "it is the same pod");
    assert!(running_since(&anew) < running_since(&waited), "the kubelet tried again later");
    println!("from the renewed Secret to Running: {with:.1?} with recovery, {without:.1?} without");
}

fn running_since(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    Some(statuses[0].state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0)
}

struct Pods<'a> {
    scene: &'a Scene,
    api: Api<Pod>,
}

impl Pods<'_> {
    async fn create(&self, pod: Pod) -> Pod {
        self.api.create(&PostParams::default(), &pod).await.expect("a pod")
    }

    async fn get(&self, name: &str) -> Option<Pod> {
        self.api.get_opt(name).await.expect("an answer")
    }

    /// The one pod of a ReplicaSet of this pod's name.
    async fn replica_of(&self, pod: Pod) -> Pod {
        let name = pod.name_any();
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": pod.spec});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        let set: ReplicaSet = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a set");
        let sets = Api::<ReplicaSet>::namespaced(self.scene.client.clone(), NAMESPACE);
        sets.create(&PostParams::default(), &set).await.expect("a ReplicaSet");
        let made =
            async || self.api.list(&ListParams::default().labels(&format!("app={name}"))).await.ok()?.items.pop();
        self.scene.until("a pod of the ReplicaSet", PATIENCE, made).await
    }

    /// A pod that runs and is none of these.
    async fn running_but(&self, others: &[&Pod]) -> Option<Pod> {
        let all = self.api.list(&ListParams::default()).await.expect("pods");
        let is_other = |pod: &Pod| others.iter().any(|other| other.uid() == pod.uid());
        all.into_iter().find(|pod| is_pod_running().matches_object(Some(pod)) && !is_other(pod))
    }

    /// Waits until the kubelet has tried so often.
    async fn until_refused(&self, pod: &Pod, times: i32) {
        let name = pod.name_any();
        let refused = async || {
            let failed = self.events(&name).await.into_iter().filter(|event| {
                event.message.as_deref().is_some_and(|message| message.starts_with("Failed to pull image"))
            });
            (failed.map(|event| event.count.unwrap_or(1)).sum::<i32>() >= times).then_some(())
        };
        self.scene.until(&format!("{times} attempts for {name}"), PATIENCE, refused).await;
    }

    async fn events(&self, name: &str) -> Vec<Event> {
        let of_object = ListParams::default().fields(&format!("involvedObject.name={name}"));
        Api::<Event>::namespaced(self.scene.client.clone(), NAMESPACE).list(&of_object).await.expect("events").items
    }

    /// Waits until so many pods of this namespace are known to fail for this cause; whoever looks sees those of all.
    async fn until_refused_for(&self, code: &str, number: usize) {
        let known = async || {
            let status = self.scene.status().await;
            let causes = status["pullFailures"]["causes"].as_array()?.iter().filter(|cause| cause["code"] == code);
            let pods = causes.flat_map(|cause| cause["firstPods"].as_array().into_iter().flatten());
            let ours = pods.filter(|pod| pod.as_str().is_some_and(|pod| pod.starts_with(&format!("{NAMESPACE}/"))));
            (ours.count() == number).then_some(())
        };
        self.scene.until(&format!("{number} pods with {code}"), PATIENCE, known).await;
    }

    async fn until_counted(&self, line: &str) {
        let told = async || self.scene.ask("pullmint", "/metrics").await.lines().any(|it| it == line).then_some(());
        self.scene.until(line, PATIENCE, told).await;
    }
}
