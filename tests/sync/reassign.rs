//! A syncer that is told to do something else goes on from where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pullmint::reminder;
use pullmint::sync::incident::Incident;
use serde_json::json;
use world::{Answer, HttpProxy};

use crate::ahead::Ahead;
use crate::bed::{Bed, US, client, foreign_secret, until};
use crate::given::Given;

#[tokio::test]
async fn a_registry_that_is_removed_takes_its_secret_and_its_entries_with_it() {
    let bed = Bed::new().await;
    let own = Given::new("own", "pull-removed-own", "removed-*");
    let (stays, goes) = (
        Given::new("stays", "pull-removed-shared", "removed-*"),
        Given::new("goes", "pull-removed-shared", "removed-*"),
    );
    for given in [&own, &stays, &goes] {
        given.publish(&given.registry);
    }
    bed.namespaces("removed", 3).await;
    let theirs = bed.create_secret("removed-2", foreign_secret("pull-removed-own")).await;
    let syncer = bed.sync(&[&own, &stays, &goes]);
    syncer.until(|summary| summary.settled && summary.in_sync == 5 && summary.refused == 1).await;
    syncer.assign(&[&stays]);
    bed.until_no_secret("removed-0", "pull-removed-own").await;
    bed.until_no_secret("removed-1", "pull-removed-own").await;
    for namespace in ["removed-0", "removed-1", "removed-2"] {
        let left = |config: &str| config.contains("stays") && !config.contains("goes");
        bed.until_secret(namespace, "pull-removed-shared", left).await;
    }
    syncer.until(|summary| summary.settled && summary.in_sync == 3 && summary.refused == 0).await;
    assert_eq!(bed.secret("removed-2", "pull-removed-own").await, Some(theirs), "what was never ours stays");
    bed.assert_at_rest(syncer, &[&stays]).await;
}

#[tokio::test]
async fn a_registry_that_is_added_is_served_and_nothing_else_is_written() {
    let bed = Bed::new().await;
    let (first, second) =
        (Given::new("first", "pull-added-first", "added-*"), Given::new("second", "pull-added-second", "added-*"));
    first.publish("hunter2");
    second.publish("hunter3");
    bed.namespaces("added", 3).await;
    let syncer = bed.sync(&[&first]);
    syncer.until(|summary| summary.settled && summary.in_sync == 3).await;
    let before = bed.versions(&[&first]).await;
    syncer.assign(&[&second, &first]);
    syncer.until(|summary| summary.settled && summary.in_sync == 6).await;
    assert_eq!(bed.versions(&[&first]).await, before);
    bed.namespaces("added-later", 1).await;
    bed.until_secret("added-later-0", "pull-added-second", |config| config.contains("hunter3")).await;
    bed.assert_at_rest(syncer, &[&first, &second]).await;
}

#[tokio::test]
async fn a_name_that_nobody_claims_any_more_is_watched_until_nothing_of_ours_is_left_under_it() {
    let bed = Bed::new().await;
    let plane = &world::shared().await.expect("a control plane").control_plane;
    let proxy = HttpProxy::start(plane).await.expect("a proxy");
    let client = client(&plane.kubeconfig_via(&proxy.url()).expect("a kubeconfig")).await;
    let lists = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lists);
    proxy.set(move |request| {
        let query = request.uri.query().unwrap_or_default();
        let is_list = query.contains("metadata.name%3Dpull-forgone") && !query.contains("watch=true");
        counter.fetch_add(usize::from(is_list), Ordering::Relaxed);
        Answer::Pass
    });
    let goes = Given::new("goes", "pull-forgone", "forgone-*");
    let stays = Given::new("stays", "pull-stays", "forgone-*");
    goes.publish("hunter2");
    stays.publish("hunter3");
    bed.namespaces("forgone", 2).await;
    let syncer = bed.sync_as(client, US, &[&goes, &stays]);
    syncer.until(|summary| summary.settled && summary.in_sync == 4).await;
    syncer.assign(&[&stays]);
    bed.until_no_secret("forgone-0", "pull-forgone").await;
    bed.until_no_secret("forgone-1", "pull-forgone").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    assert_eq!(lists.load(Ordering::Relaxed), 1);
    syncer.assign(&[&goes, &stays]);
    syncer.until(|summary| summary.settled && summary.in_sync == 4).await;
    assert_eq!(lists.load(Ordering::Relaxed), 2, "a watch that had ended began anew");
    bed.assert_at_rest(syncer, &[&goes, &stays]).await;
}

#[tokio::test]
async fn a_selection_that_grows_narrower_loses_what_is_outside_of_it() {
    let bed = Bed::new().await;
    let wide = Given::new("ecr", "pull-narrower", "narrower-*");
    wide.publish("hunter2");
    bed.namespaces("narrower-a", 2).await;
    bed.namespaces("narrower-b", 2).await;
    let syncer = bed.sync(&[&wide]);
    syncer.until(|summary| summary.settled && summary.in_sync == 4).await;
    let narrow = Given { include: vec!["narrower-b-*".to_owned()], ..wide };
    syncer.assign(&[&narrow]);
    bed.until_no_secret("narrower-a-0", "pull-narrower").await;
    bed.until_no_secret("narrower-a-1", "pull-narrower").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    bed.assert_at_rest(syncer, &[&narrow]).await;
}

#[tokio::test]
async fn what_waits_for_a_credential_waits_no_more_when_it_is_not_wanted_any_more() {
    let bed = Bed::new().await;
    let wide = Given::new("late", "pull-unwanted", "unwanted-*");
    bed.namespaces("unwanted-a", 1).await;
    bed.namespaces("unwanted-b", 1).await;
    let syncer = bed.sync(&[&wide]);
    syncer.until(|summary| summary.settled && summary.waiting == 2).await;
    let narrow = Given { include: vec!["unwanted-b-*".to_owned()], ..wide };
    syncer.assign(&[&narrow]);
    syncer.until(|summary| summary.settled && summary.waiting == 1).await;
    syncer.assign(&[]);
    syncer.until(|summary| summary.settled && summary.waiting == 0).await;
}

#[tokio::test]
async fn an_account_that_leaves_the_configuration_loses_what_was_added_to_it() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-unnamed", "unnamed-*").accounts(&["default"]);
    ecr.publish("hunter2");
    bed.namespaces("unnamed", 1).await;
    // Under another name: two of one name would take the other's entries away from accounts of the same name.
    let syncer = bed.sync_as(bed.client.clone(), "pullmint-unnamed", &[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    let without = Given { accounts: Vec::new(), ..ecr };
    syncer.assign(&[&without]);
    bed.until_listed("unnamed-0", "default", &[]).await;
}

#[tokio::test]
async fn what_an_earlier_process_left_under_a_retired_name_goes_and_what_is_claimed_or_not_ours_stays() {
    let bed = Bed::new().await;
    let gone = Given::new("gone", "pull-outlived", "outlived-*").accounts(&["default"]);
    let stays = Given::new("stays", "pull-staying", "outlived-*");
    gone.publish("hunter2");
    stays.publish("hunter3");
    bed.namespaces("outlived", 3).await;
    let theirs = bed.create_secret("outlived-2", foreign_secret("pull-outlived")).await;
    let earlier = bed.sync(&[&gone, &stays]);
    earlier.until(|summary| summary.settled && summary.in_sync == 8 && summary.refused == 1).await;
    drop(earlier);

    let later = bed.sync(&[&stays]);
    later.until(|summary| summary.settled && summary.in_sync == 3).await;
    later.assign_without(&[&stays], "pull-outlived", "default");
    for namespace in ["outlived-0", "outlived-1"] {
        bed.until_no_secret(namespace, "pull-outlived").await;
        bed.until_listed(namespace, "default", &[]).await;
    }
    assert_eq!(bed.secret("outlived-2", "pull-outlived").await, Some(theirs));
    later.assign_without(&[&stays], "pull-staying", "default");
    later.until(|summary| summary.settled && summary.in_sync == 3 && summary.refused == 0).await;
    bed.assert_at_rest(later, &[&stays]).await;
}

#[tokio::test]
async fn people_hear_who_is_in_the_way_and_what_was_repaired_after_whom() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-heard", "heard-*");
    ecr.publish("hunter2");
    bed.namespaces("heard", 3).await;
    bed.create_secret("heard-0", foreign_secret("pull-heard")).await;
    let mut syncer = bed.sync(&[&ecr]);
    let Incident::Refused { namespace, secret, uid, why } = syncer.incident().await else { panic!("a refusal") };
    assert_eq!((namespace.as_str(), secret.as_str()), ("heard-0", "pull-heard"));
    assert!(uid.is_some() && why.contains("kubectl-create"), "{why}");
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    // What leaves its content as it is has broken nothing.
    bed.edit_secret("heard-2", "pull-heard", json!({ "metadata": { "annotations": { "note": "read" } } })).await;
    bed.edit_secret("heard-1", "pull-heard", json!({ "data": { ".dockerconfigjson": "e30=" } })).await;
    let Incident::Repaired { namespace, by, .. } = syncer.incident().await else { panic!("a repair") };
    assert_eq!((namespace.as_str(), by.as_deref()), ("heard-1", Some("kubectl-edit")));
    bed.delete_secret("heard-1", "pull-heard").await;
    let Incident::Repaired { namespace, by, .. } = syncer.incident().await else { panic!("a repair") };
    assert_eq!((namespace.as_str(), by), ("heard-1", None));
}

#[tokio::test]
async fn people_hear_again_who_is_still_in_the_way() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-still", "still-*");
    ecr.publish("hunter2");
    bed.namespaces("still", 2).await;
    bed.create_secret("still-0", foreign_secret("pull-still")).await;
    let clock = Arc::<Ahead>::default();
    let mut syncer = bed.sync_by(clock.clone(), bed.client.clone(), US, &[&ecr]);
    let first = syncer.incident().await;
    assert!(matches!(&first, Incident::Refused { namespace, .. } if namespace == "still-0"), "{first:?}");
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    clock.by(reminder::EVERY);
    // It looks at the clock whenever there is something to do.
    ecr.publish("hunter3");
    assert_eq!(syncer.incident().await, first);
}

/// Much less than passes between two beats of a syncer, which would look at everything anyhow.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn one_that_only_watches_tells_soon_that_it_knows_all() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-watched", "watched-*");
    let syncer = bed.sync(&[&ecr]);
    syncer.activate(false);
    let listed = syncer.until(|summary| summary.listed);
    tokio::time::timeout(SOON, listed).await.expect("soon");
}

#[tokio::test]
async fn one_that_may_write_again_does_so_although_nobody_says_a_word() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-permitted", "permitted-*");
    bed.namespaces("permitted", 1).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.waiting == 1).await;
    syncer.permit(false);
    ecr.publish("hunter2");
    until("a credential that is not written", async || (syncer.summary().queued == 1).then_some(())).await;
    syncer.permit(true);
    let written = bed.until_secret("permitted-0", "pull-permitted", |config| config.contains("hunter2"));
    tokio::time::timeout(SOON, written).await.expect("soon");
}
