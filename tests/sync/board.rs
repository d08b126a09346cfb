//! What is told of copies is what the API server has confirmed, and no intention.

use jiff::{SignedDuration, Timestamp};
use pullmint::clock::{Clock, SystemClock};
use serde_json::json;

use crate::bed::{Bed, Running, until};
use crate::given::Given;

impl Running {
    /// Of the Secret of this name: the lowest expiry of all copies, and the oldest confirmation.
    fn told(&self, secret: &str) -> (Option<Timestamp>, Option<Timestamp>) {
        let board = self.summary().board;
        let told = board.secrets.iter().find(|told| told.name == secret);
        (told.and_then(|told| told.lowest_expires_at), told.and_then(|told| told.last_synced_at))
    }
}

/// Whether it is so far from now, but for the minute that a test may take.
fn is_in_hours(hours: i64, at: Timestamp) -> bool {
    let left = at.duration_since(SystemClock.now());
    (SignedDuration::from_hours(hours) - left).abs() <= SignedDuration::from_mins(1)
}

#[tokio::test]
async fn the_lowest_expiry_is_that_of_a_copy_that_could_not_be_written_although_a_newer_credential_is_at_hand() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-lowest", "lowest-*");
    ecr.publish_for("old", SignedDuration::from_hours(1));
    bed.namespaces("lowest", 2).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    // The board is made anew a moment after the counts.
    let old = until("the expiry of the old one", async || syncer.told("pull-lowest").0).await;
    assert!(is_in_hours(1, old), "{old}");
    let (_, first_synced_at) = syncer.told("pull-lowest");

    bed.edit_secret("lowest-0", "pull-lowest", json!({ "immutable": true })).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    ecr.publish_for("new", SignedDuration::from_hours(9));
    bed.until_secret("lowest-1", "pull-lowest", |config| config.contains("new")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 1).await;
    let synced = async || (syncer.told("pull-lowest").1 > first_synced_at).then_some(());
    until("the other one alone to count as synced", synced).await;
    assert_eq!(syncer.told("pull-lowest").0, Some(old), "the copy that cannot be changed dies first");

    bed.delete_secret("lowest-0", "pull-lowest").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    let new = async || syncer.told("pull-lowest").0.filter(|at| is_in_hours(9, *at));
    until("the expiry of the new one", new).await;
}
