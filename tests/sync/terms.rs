//! A syncer that leads, stands by, and leads again.

use serde_json::json;

use crate::bed::{Bed, foreign_secret, until};
use crate::given::Given;

#[tokio::test]
async fn a_standby_writes_nothing_and_does_all_of_it_once_it_leads() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-standby", "standby-*");
    ecr.publish("hunter2");
    bed.namespaces("standby", 2).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    syncer.activate(false);
    syncer.until(|summary| summary.listed && !summary.settled).await;
    bed.delete_secret("standby-0", "pull-standby").await;
    bed.namespaces("standby-later", 1).await;
    ecr.publish("hunter3");
    // Its watches are warm: it has seen all of that before it may do anything about it.
    syncer.until(|summary| summary.queued >= 3).await;
    assert_eq!(bed.secret("standby-0", "pull-standby").await, None);
    assert_eq!(bed.secret("standby-later-0", "pull-standby").await, None);
    syncer.activate(true);
    for namespace in ["standby-0", "standby-1", "standby-later-0"] {
        bed.until_secret(namespace, "pull-standby", |config| config.contains("hunter3")).await;
    }
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn what_another_has_written_or_mended_meanwhile_is_neither_waited_for_nor_repaired_by_the_next_leader() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-terms", "terms-*");
    ecr.publish("hunter2");
    bed.namespaces("terms", 1).await;
    let (leader, mut next) = (bed.sync(&[&ecr]), bed.sync(&[&ecr]));
    leader.until(|summary| summary.settled && summary.in_sync == 1).await;
    next.until(|summary| summary.settled && summary.in_sync == 1).await;
    next.activate(false);
    next.until(|summary| summary.listed && !summary.settled).await;
    bed.namespaces("terms-new", 1).await;
    bed.until_secret("terms-new-0", "pull-terms", |config| config.contains("hunter2")).await;
    bed.delete_secret("terms-0", "pull-terms").await;
    bed.until_secret("terms-0", "pull-terms", |config| config.contains("hunter2")).await;
    // The Secret is there before its writer has the answer.
    until("both to be measured by the leader", async || {
        (leader.measured("time_to_cover") == 1 && leader.measured("drift_repair") == 1).then_some(())
    })
    .await;
    drop(leader);
    bed.namespaces("terms-last", 1).await;
    // A standby does not tell what it has seen; a watch is not behind by much.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    next.activate(true);
    bed.until_secret("terms-last-0", "pull-terms", |config| config.contains("hunter2")).await;
    next.until_settled().await;
    assert_eq!(next.measured("time_to_cover"), 1, "of the last namespace alone");
    assert_eq!((next.measured("drift_repair"), next.incidents()), (0, Vec::new()));
}

#[tokio::test]
async fn who_leads_no_more_does_not_say_how_anything_stands() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-past", "past-*");
    ecr.publish("hunter2");
    bed.namespaces("past", 2).await;
    bed.create_secret("past-0", foreign_secret("pull-past")).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 1).await;
    syncer.activate(false);
    syncer.until(|summary| !summary.settled && summary.board.namespaces.is_empty()).await;
    let summary = syncer.summary();
    assert_eq!((summary.in_sync, summary.refused, summary.problems.len()), (0, 0, 0));
    bed.edit_secret("past-0", "pull-past", json!({ "metadata": { "annotations": { "a": "b" } } })).await;
    syncer.activate(true);
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 1).await;
}
