//! Many pods cost few questions. `make bench` takes time and memory.

use std::collections::BTreeSet;

use world::crowd;

use crate::bed::Bed;

const PODS: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_failing_pods_cost_one_question_for_each_image_and_credential() {
    let bed = Bed::start(false).await;
    let images = crowd::failing_pods(&bed.stage, PODS).await.expect("pods");
    let report = bed.why(&["-n", crowd::NAMESPACE, "--output", "json"]).await.json();
    let findings = report["findings"].as_array().expect("findings");
    let told = findings.iter().flat_map(|group| group["images"].as_array().expect("images"));
    let told: BTreeSet<_> = told.map(|image| image.as_str().expect("a text")).collect();
    assert_eq!(told, images.iter().map(String::as_str).collect());
    assert_eq!(report["pods"].as_u64(), Some(PODS as u64));
    // ECR refuses its ten with the Secret's credential, and is asked for them as nobody, too.
    assert_eq!(report["asked"].as_u64(), Some(images.len() as u64 + 10));
}
