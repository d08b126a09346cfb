//! Many pods cost few questions, little time and little memory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::process::Command;
use world::clouds::seed;

use crate::bed::{Bed, ECR_HOST, HUB_KEY, PROGRAM, pull_secret};

const PODS: usize = 1000;
/// Absent images at each of the five registries.
const IMAGES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "the time that it takes is what is measured")]
async fn a_thousand_failing_pods_cost_one_question_for_each_image_and_credential() {
    let bed = Bed::start(false).await;
    bed.namespace("many").await;
    let config = json!({"auths": {
        HUB_KEY: {"username": seed::HUB_ORG, "password": seed::HUB_ORG_TOKEN},
        "acme.azurecr.io": {"username": seed::AZURE_CLIENT, "password": seed::AZURE_SECRET},
        "other.azurecr.io": {"username": seed::AZURE_CLIENT, "password": seed::AZURE_SECRET},
        ECR_HOST: {"username": "AWS", "password": "stale"},
    }});
    bed.secret("many", &pull_secret("pull", &config)).await;
    let hosts = ["docker.io/acme", "acme.azurecr.io/team", "other.azurecr.io/team", "public.ecr.aws/acme"];
    let hosts = hosts.map(str::to_owned).into_iter().chain([format!("{ECR_HOST}/team")]).collect::<Vec<_>>();
    let images: Vec<_> =
        (0..IMAGES).flat_map(|n| hosts.iter().map(move |host| format!("{host}/app:absent-{n}"))).collect();
    let api: Api<Pod> = Api::namespaced(bed.client.clone(), "many");
    let made = stream::iter(0..PODS).map(|n| fail(&api, n, &images[n % images.len()]));
    made.buffer_unordered(16).collect::<Vec<()>>().await;

    let ca = bed.stage.internet.ca_file().display().to_string();
    let mut command = Command::new(PROGRAM);
    command.args(["why", "-n", "many", "--output", "json", "--ca-file", &ca]).envs(bed.stage.env());
    command.kill_on_drop(true).stdout(std::process::Stdio::piped());
    let start = Instant::now();
    let child = command.spawn().expect("a start");
    let process = child.id().expect("a process");
    let watching = tokio::spawn(async move {
        let mut peak = 0;
        while let Some(now) = peak_kib(process) {
            peak = now;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        peak
    });
    let output = child.wait_with_output().await.expect("an end");
    let took = start.elapsed();
    let peak = watching.await.expect("no panic") / 1024;

    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let asked = report["asked"].as_u64().expect("a number");
    println!("{PODS} pods, {} images, 5 registries: {took:.1?}, {asked} questions, {peak} MiB", images.len());
    let told: BTreeSet<_> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .flat_map(|group| {
            group["images"].as_array().expect("images").iter().map(|image| image.as_str().expect("a text").to_owned())
        })
        .collect();
    assert_eq!(told.len(), images.len());
    assert_eq!(report["pods"].as_u64(), Some(PODS as u64));
    // For what was refused, nobody's credential is a second one.
    assert!(asked <= 2 * images.len() as u64, "{asked} questions");
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 }), "{took:?}");
    assert!(peak < 60, "{peak} MiB");
}

/// A pod as the kubelet leaves it whose image does not come.
async fn fail(api: &Api<Pod>, n: usize, image: &str) {
    let name = format!("web-{n}");
    let pod = json!({
        "metadata": {"name": name},
        "spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [{"name": "app", "image": image}]},
    });
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    api.create(&PostParams::default(), &pod).await.expect("a pod");
    let waiting = json!({"reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\"")});
    let status = json!({"status": {"phase": "Pending", "containerStatuses": [
        {"name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": waiting}},
    ]}});
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.expect("a status");
}

/// The most memory that a process has had; `None` once it has ended.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
