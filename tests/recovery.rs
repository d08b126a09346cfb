//! Recovery on a real API server, with ReplicaSets that make pods again. What is told of the pods is the test's own word.

#[path = "recovery/bed.rs"]
mod bed;

use std::time::Duration;

use bed::{Bed, RECOVER};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use pullmint::why::catalogue::Code;
use serde_json::json;

#[tokio::test]
async fn no_minute_has_more_deletions_than_configured_and_every_pod_has_its_turn() {
    let mut bed = Bed::new("limit", RECOVER).await;
    let pods = bed.refused("web", 30).await;
    bed.tell(&pods, Code::WRONG_CREDENTIAL, 10).await;
    bed.renew(20);
    for minute in 1..=3 {
        bed.tell(&pods, Code::MENDED, 30).await;
        bed.until_deleted(minute * 10).await;
        bed.tell(&pods, Code::MENDED, 31).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(bed.deleted(), minute * 10);
        bed.clock.advance(Duration::from_secs(60));
    }
    bed.until_made_anew(&pods).await;
    let news = bed.recovered.try_recv().expect("news");
    assert_eq!((news.namespace.as_str(), news.controller.to_string().as_str()), ("limit-0", "ReplicaSet/web"));
    assert!(pods.iter().any(|pod| pod.metadata.name.as_ref() == Some(&news.pod)));
}

#[tokio::test]
async fn pods_that_nothing_makes_again_or_that_have_begun_to_run_stay() {
    let bed = Bed::new("stay", RECOVER).await;
    let bare = bed.pod("bare").await;
    let job = bed.job("job").await;
    let started = bed.refused("started", 1).await.remove(0);
    bed.start_second_container(&started).await;
    let left = bed.refused("other-cause", 1).await.remove(0);
    let cured = bed.refused("cured", 1).await.remove(0);
    let all = [bare, job, started, cured];
    // The last one's turn comes last.
    bed.tell_of(&all, Code::EXPIRED, 10, &[(&left, Code::NO_TAG)]).await;
    bed.renew(20);
    bed.tell_of(&all, Code::MENDED, 30, &[(&left, Code::MENDED)]).await;
    bed.until_deleted(1).await;
    let [bare, job, started, cured] = all;
    bed.until_made_anew(&[cured]).await;
    for pod in [bare, job, started, left] {
        assert!(bed.is_there(&pod).await, "{:?}", pod.metadata.name);
    }
    assert_eq!(bed.deleted(), 1);
}

#[tokio::test]
async fn a_pod_that_was_replaced_meanwhile_is_not_deleted_in_its_predecessors_place() {
    let bed = Bed::new("replaced", RECOVER).await;
    let pod = bed.refused("web", 1).await.remove(0);
    let cured = bed.refused("cured", 1).await.remove(0);
    let mut predecessor = pod.clone();
    predecessor.metadata.uid = Some("another".to_owned());
    let told = [predecessor, cured];
    bed.tell(&told, Code::NOT_RENEWED, 10).await;
    bed.renew(20);
    bed.tell(&told, Code::MENDED, 30).await;
    bed.until_deleted(1).await;
    assert!(bed.is_there(&pod).await);
}

#[tokio::test]
async fn it_is_off_by_default_and_can_be_switched_on_while_pods_wait() {
    let bed = Bed::new("switch", "[pulls]\nexplain = true\n").await;
    let pods = bed.refused("web", 1).await;
    bed.tell(&pods, Code::EXPIRED, 10).await;
    bed.renew(20);
    bed.tell(&pods, Code::MENDED, 30).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(bed.is_there(&pods[0]).await);
    bed.configure(RECOVER);
    bed.until_made_anew(&pods).await;
}

#[tokio::test]
async fn without_the_right_to_delete_the_log_says_what_to_grant_and_with_it_the_pod_is_made_anew() {
    let bed = Bed::confined("denied", RECOVER).await;
    let pods = bed.refused("web", 1).await;
    bed.tell(&pods, Code::EXPIRED, 10).await;
    bed.renew(20);
    bed.tell(&pods, Code::MENDED, 30).await;
    let words = ["may not delete a pod", "grant `delete` of pods", "pod=\"web-", "cannot get resource"];
    let is_told = |line: &str| words.iter().all(|words| line.contains(words));
    bed.until("the lack in the log", || bed.log.text().lines().any(is_told)).await;
    assert!(bed.is_there(&pods[0]).await);
    bed.grant(RECOVER).await;
    // The API server takes a moment to go by the new roles.
    bed.until_some("the deletion", async || {
        bed.clock.advance(Duration::from_secs(60));
        bed.tell(&pods, Code::MENDED, 31).await;
        (!bed.is_there(&pods[0]).await).then_some(())
    })
    .await;
    bed.until_made_anew(&pods).await;
}

impl Bed {
    /// A pod that nobody makes again.
    async fn pod(&self, name: &str) -> Pod {
        let pod = json!({"metadata": {"name": name}, "spec": bed::pod_spec()});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let made = self.until_some("a pod", async || self.pods().create(&PostParams::default(), &pod).await.ok()).await;
        self.refuse(&made).await
    }

    /// A Job's pod.
    async fn job(&self, name: &str) -> Pod {
        let mut pod = bed::pod_spec();
        pod["restartPolicy"] = json!("Never");
        let spec = json!({"template": {"spec": pod}, "backoffLimit": 0});
        let job: Job = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a Job");
        let jobs = Api::<Job>::namespaced(self.client.clone(), &self.namespace);
        jobs.create(&PostParams::default(), &job).await.expect("a Job");
        let made = self.until_some("the Job's pod", async || self.pods_of(name).await.pop()).await;
        self.refuse(&made).await
    }
}
