//! Several registries in one Secret, several credentials of one registry.

use jiff::{SignedDuration, Timestamp};
use pullmint::clock::{Clock, SystemClock};
use serde_json::json;

use crate::bed::Bed;
use crate::given::Given;

fn pair(secret: &str, include: &str) -> (Given, Given) {
    (Given::new("alpha", secret, include), Given::new("beta", secret, include))
}

fn ago(seconds: i64) -> Timestamp {
    SystemClock.now().checked_sub(SignedDuration::from_secs(seconds)).expect("an instant")
}

#[tokio::test]
async fn a_secret_is_written_with_what_is_there_and_completed_when_the_rest_arrives() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-complete", "complete-*");
    bed.namespaces("complete", 1).await;
    let syncer = bed.sync(&[&a, &b]);
    a.publish("alpha-1");
    let half = bed.until_secret("complete-0", "pull-complete", |config| config.contains("alpha-1")).await;
    b.publish("beta-1");
    let both = |config: &str| config.contains("alpha-1") && config.contains("beta-1");
    let whole = bed.until_secret("complete-0", "pull-complete", both).await;
    assert_eq!(whole.metadata.uid, half.metadata.uid);
    bed.assert_at_rest(syncer, &[&a, &b]).await;
}

#[tokio::test]
async fn a_rotation_of_one_registry_keeps_the_entry_of_the_other() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-rotate", "rotate-*");
    bed.namespaces("rotate", 1).await;
    a.publish("alpha-1");
    b.publish("beta-1");
    let syncer = bed.sync(&[&a, &b]);
    let both = |config: &str| config.contains("alpha-1") && config.contains("beta-1");
    let before = bed.until_secret("rotate-0", "pull-rotate", both).await;
    a.publish("alpha-2");
    let both = |config: &str| config.contains("alpha-2") && config.contains("beta-1");
    let after = bed.until_secret("rotate-0", "pull-rotate", both).await;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    bed.assert_at_rest(syncer, &[&a, &b]).await;
}

#[tokio::test]
async fn the_living_entry_of_a_registry_that_has_no_credential_after_a_restart_stays() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-broken", "broken-*");
    bed.namespaces("broken", 1).await;
    a.publish("alpha-1");
    b.publish("beta-1");
    let syncer = bed.sync(&[&a, &b]);
    let both = |config: &str| config.contains("alpha-1") && config.contains("beta-1");
    let before = bed.until_secret("broken-0", "pull-broken", both).await;
    drop(syncer);

    let b_broken = b.elsewhere();
    a.publish("alpha-2");
    let syncer = bed.sync(&[&a, &b_broken]);
    syncer.until_problem("broken-0", "pull-broken", "beta").await;
    syncer.until(|summary| summary.settled && summary.waiting == 1).await;
    assert_eq!(bed.secret("broken-0", "pull-broken").await.expect("the Secret").data, before.data);
    assert!(syncer.coverage.borrow().is_empty(), "the old credential of alpha is still in use");

    b_broken.publish("beta-2");
    let both = |config: &str| config.contains("alpha-2") && config.contains("beta-2");
    bed.until_secret("broken-0", "pull-broken", both).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.waiting == 0).await;
    bed.assert_at_rest(syncer, &[&a, &b_broken]).await;
}

#[tokio::test]
async fn the_dead_entry_of_a_registry_without_credential_goes() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-dead", "dead-*");
    bed.namespaces("dead", 1).await;
    a.publish("alpha-1");
    b.publish_minted("beta-1", ago(10), SignedDuration::from_secs(5));
    let syncer = bed.sync(&[&a, &b]);
    bed.until_secret("dead-0", "pull-dead", |config| config.contains("beta-1")).await;
    drop(syncer);

    let b_broken = b.elsewhere();
    let syncer = bed.sync(&[&a, &b_broken]);
    bed.until_secret("dead-0", "pull-dead", |config| config.contains("alpha-1") && !config.contains("beta")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    bed.assert_at_rest(syncer, &[&a, &b_broken]).await;
}

#[tokio::test]
async fn a_secret_that_waits_for_the_death_of_an_entry_is_written_when_it_has_died() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-dying", "dying-*");
    bed.namespaces("dying", 1).await;
    a.publish("alpha-1");
    b.publish_for("beta-1", SignedDuration::from_secs(10));
    let syncer = bed.sync(&[&a, &b]);
    bed.until_secret("dying-0", "pull-dying", |config| config.contains("beta-1")).await;
    drop(syncer);

    let b_broken = b.elsewhere();
    a.publish("alpha-2");
    let syncer = bed.sync(&[&a, &b_broken]);
    syncer.until_problem("dying-0", "pull-dying", "beta").await;
    bed.until_secret("dying-0", "pull-dying", |config| config.contains("alpha-2") && !config.contains("beta")).await;
    bed.assert_at_rest(syncer, &[&a, &b_broken]).await;
}

#[tokio::test]
async fn an_older_credential_never_replaces_a_newer_one() {
    let bed = Bed::new().await;
    let newer = Given::new("alpha", "pull-older", "older-*");
    let older = newer.elsewhere();
    bed.namespaces("older", 1).await;
    older.publish_minted("old", ago(60), SignedDuration::from_hours(1));
    newer.publish("new");
    let successor = bed.sync(&[&newer]);
    let before = bed.until_secret("older-0", "pull-older", |config| config.contains("new")).await;
    successor.until_settled().await;
    drop(successor);

    let predecessor = bed.sync(&[&older]);
    predecessor.until(|summary| summary.settled && summary.in_sync == 1).await;
    bed.edit_secret("older-0", "pull-older", json!({ "metadata": { "labels": { "touched": "yes" } } })).await;
    // By the time that this is served the edit has been seen, too.
    bed.namespaces("older-later", 1).await;
    bed.until_secret("older-later-0", "pull-older", |config| config.contains("old")).await;
    let after = bed.secret("older-0", "pull-older").await.expect("the Secret");
    assert_eq!(after.data, before.data);
}

#[tokio::test]
async fn a_rotation_waits_rather_than_bring_back_an_older_credential_of_another_registry() {
    let bed = Bed::new().await;
    let (a, b) = pair("pull-mixed", "mixed-*");
    let (a_here, b_here) = (a.elsewhere(), b.elsewhere());
    bed.namespaces("mixed", 1).await;
    a.publish_minted("alpha-1", ago(60), SignedDuration::from_hours(1));
    b.publish_minted("beta-2", ago(30), SignedDuration::from_hours(1));
    let other = bed.sync(&[&a, &b]);
    let before = bed.until_secret("mixed-0", "pull-mixed", |config| config.contains("beta-2")).await;
    drop(other);

    a_here.publish("alpha-2");
    b_here.publish_minted("beta-1", ago(50), SignedDuration::from_hours(1));
    let syncer = bed.sync(&[&a_here, &b_here]);
    syncer.until_problem("mixed-0", "pull-mixed", "beta").await;
    assert_eq!(bed.secret("mixed-0", "pull-mixed").await.expect("the Secret").data, before.data);
    b_here.publish("beta-3");
    let both = |config: &str| config.contains("alpha-2") && config.contains("beta-3");
    bed.until_secret("mixed-0", "pull-mixed", both).await;
    bed.assert_at_rest(syncer, &[&a_here, &b_here]).await;
}

#[tokio::test]
async fn a_rotation_is_told_as_covered_only_when_every_secret_holds_it() {
    let bed = Bed::new().await;
    let a = Given::new("alpha", "pull-covered", "covered-*");
    bed.namespaces("covered", 20).await;
    let syncer = bed.sync(&[&a]);
    syncer.until_settled().await;
    for password in ["first", "second"] {
        a.publish(password);
        let minted_at = a.slot.borrow().current.as_ref().map(|minted| minted.minted_at);
        let mut coverage = syncer.coverage.clone();
        let covered = coverage.wait_for(|coverage| coverage.values().next().copied() == minted_at);
        tokio::time::timeout(crate::bed::PATIENCE, covered).await.expect("in time").expect("a syncer");
        for index in 0..20 {
            let secret = bed.secret(&format!("covered-{index}"), "pull-covered").await.expect("the Secret");
            assert!(crate::bed::dockerconfigjson(&secret).is_some_and(|config| config.contains(password)));
        }
    }
    bed.assert_at_rest(syncer, &[&a]).await;
}

#[tokio::test]
async fn a_rotation_without_any_selected_namespace_is_covered_at_once() {
    let bed = Bed::new().await;
    let a = Given::new("alpha", "pull-nowhere", "nowhere-*");
    let syncer = bed.sync(&[&a]);
    syncer.until_settled().await;
    a.publish("first");
    let mut coverage = syncer.coverage.clone();
    let covered = coverage.wait_for(|coverage| coverage.len() == 1);
    tokio::time::timeout(crate::bed::PATIENCE, covered).await.expect("in time").expect("a syncer");
}
