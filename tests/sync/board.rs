//! What is told of copies is what the API server has confirmed, and no intention.

use jiff::{SignedDuration, Timestamp};
use pullmint::clock::{Clock, SystemClock};
use serde_json::json;

use crate::bed::{Bed, Running};
use crate::given::Given;

impl Running {
    /// Of the Secret of this name: the lowest expiry of all copies, and the oldest confirmation.
    fn told(&self, secret: &str) -> (Option<Timestamp>, Option<Timestamp>) {
        let board = self.summary().board;
        let told = board.secrets.iter().find(|told| told.name == secret).expect("a Secret of this name");
        (told.lowest_expires_at, told.last_synced_at)
    }
}

/// The whole second, as the Secrets' annotations tell it.
fn in_hours(hours: i64) -> Timestamp {
    SystemClock.now() + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn the_lowest_expiry_is_that_of_a_copy_that_could_not_be_written_although_a_newer_credential_is_at_hand() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-lowest", "lowest-*");
    let old = in_hours(1);
    ecr.publish_for("old", SignedDuration::from_hours(1));
    bed.namespaces("lowest", 2).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    let (lowest, first_synced_at) = syncer.told("pull-lowest");
    assert!(lowest.is_some_and(|at| (at.as_second() - old.as_second()).abs() <= 5), "{lowest:?}");

    bed.edit_secret("lowest-0", "pull-lowest", json!({ "immutable": true })).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    ecr.publish_for("new", SignedDuration::from_hours(9));
    bed.until_secret("lowest-1", "pull-lowest", |config| config.contains("new")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 1).await;
    let (still_lowest, synced_at) = syncer.told("pull-lowest");
    assert_eq!(still_lowest, lowest, "the copy that cannot be changed dies first");
    assert!(synced_at > first_synced_at, "only the other one counts as synced");

    bed.delete_secret("lowest-0", "pull-lowest").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    let new = in_hours(9);
    let (lowest, _) = syncer.told("pull-lowest");
    assert!(lowest.is_some_and(|at| (at.as_second() - new.as_second()).abs() <= 60), "{lowest:?}");
}
