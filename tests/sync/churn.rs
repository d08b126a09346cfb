//! However much happens, the end state is right, and then there is rest.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;
use crate::given::Given;

/// Longer than any delay after which something outstanding would be looked at again.
const QUIET: Duration = Duration::from_secs(2);

#[tokio::test]
async fn after_ten_thousand_events_of_one_watch_all_is_right_and_nothing_is_written_any_more() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-churn", "churn-*");
    ecr.publish("hunter2");
    let names = bed.namespaces("churn", 32).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    let (mut edits, before) = (0, syncer.summary().writes);
    // Each edit is an event, and so is each of our writes, so that many events come while a write is in flight.
    while edits + syncer.summary().writes - before < 10_000 {
        let spoil = names.iter().map(|name| {
            let data = format!(r#"{{"auths":{{"{edits}.example.com":{{}}}}}}"#);
            let patch = Patch::Merge(json!({ "stringData": { ".dockerconfigjson": data } }));
            let secrets = bed.secrets(name);
            async move { secrets.patch_metadata("pull-churn", &PatchParams::default(), &patch).await.is_ok() }
        });
        edits += futures::future::join_all(spoil).await.into_iter().map(u64::from).sum::<u64>();
    }
    for name in &names {
        bed.until_secret(name, "pull-churn", |config| config.contains("hunter2")).await;
    }
    syncer.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    let (versions, writes) = (bed.versions(&[&ecr]).await, syncer.summary().writes);
    tokio::time::sleep(QUIET).await;
    assert_eq!((bed.versions(&[&ecr]).await, syncer.summary().writes), (versions, writes));
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn after_rotations_deletions_and_relabellings_all_at_once_everything_is_right_and_at_rest() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-storm", "storm-*").selector("pull=yes");
    let names = bed.labelled_namespaces("storm", 30, &[("pull", "yes")]).await;
    let syncer = bed.sync(&[&ecr]);
    for round in 0..10 {
        ecr.publish(&format!("password-{round}"));
        let disturb = names.iter().enumerate().map(|(index, name)| {
            let bed = &bed;
            async move {
                match (index + round) % 3 {
                    0 => bed.label_namespace(name, "pull", Some(["no", "yes"][round % 2])).await,
                    // It may not be there.
                    1 => drop(bed.secrets(name).delete("pull-storm", &Default::default()).await),
                    _ => {
                        let patch = Patch::Merge(json!({ "metadata": { "annotations": null } }));
                        drop(bed.secrets(name).patch("pull-storm", &PatchParams::default(), &patch).await);
                    }
                }
            }
        });
        futures::future::join_all(disturb).await;
    }
    for name in &names {
        bed.label_namespace(name, "pull", Some("yes")).await;
    }
    for name in &names {
        bed.until_secret(name, "pull-storm", |config| config.contains("password-9")).await;
    }
    syncer.until(|summary| summary.settled && summary.in_sync == names.len() && summary.problems.is_empty()).await;
    let (versions, writes) = (bed.versions(&[&ecr]).await, syncer.summary().writes);
    tokio::time::sleep(QUIET).await;
    assert_eq!((bed.versions(&[&ecr]).await, syncer.summary().writes), (versions, writes));
    bed.assert_at_rest(syncer, &[&ecr]).await;
}
