//! Two syncers that both believe they lead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use pullmint::clock::{Clock, SystemClock};
use world::{Answer, HttpProxy};

use crate::bed::{Bed, US, foreign_secret, until};
use crate::given::Given;

fn operation(fields: &ManagedFieldsEntry) -> Option<(&str, &str)> {
    Some((fields.manager.as_deref()?, fields.operation.as_deref()?))
}

/// Has every write wait until it is released. Counts them.
fn detain(proxy: &HttpProxy) -> Arc<AtomicUsize> {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&begun);
    proxy.set(move |request| match request.method == "PATCH" {
        true => {
            counter.fetch_add(1, Ordering::Relaxed);
            Answer::Detain
        }
        false => Answer::Pass,
    });
    begun
}

#[tokio::test]
async fn a_belated_first_write_of_an_older_credential_does_not_land_over_a_newer_one() {
    let bed = Bed::new().await;
    let older = Given::new("ecr", "pull-belated", "belated-*");
    let newer = older.elsewhere();
    let minute_ago = SystemClock.now() - SignedDuration::from_mins(1);
    older.publish_minted("older", minute_ago, SignedDuration::from_hours(1));
    newer.publish("newer");
    let names = bed.namespaces("belated", 3).await;
    let (proxy, client) = bed.via_http().await;
    let begun = detain(&proxy);
    let belated = bed.sync_as(client, US, &[&older]);
    let all_begun = async || (begun.load(Ordering::Relaxed) == names.len()).then_some(());
    until("all first writes on their way", all_begun).await;
    let prompt = bed.sync(&[&newer]);
    prompt.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    let before = bed.versions(&[&newer]).await;
    proxy.release();
    belated.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    prompt.until_settled().await;
    assert_eq!(belated.conflicts("outdated"), 3, "one in each namespace");
    assert_eq!(bed.versions(&[&newer]).await, before, "an older credential has replaced a newer one for a while");
}

#[tokio::test]
async fn a_secret_that_somebody_makes_while_ours_is_on_its_way_stays_theirs() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-overtaken", "overtaken-*");
    ecr.publish("hunter2");
    bed.namespaces("overtaken", 1).await;
    let (proxy, client) = bed.via_http().await;
    let begun = detain(&proxy);
    let syncer = bed.sync_as(client, US, &[&ecr]);
    until("a write on its way", async || (begun.load(Ordering::Relaxed) == 1).then_some(())).await;
    let theirs = bed.create_secret("overtaken-0", foreign_secret("pull-overtaken")).await;
    proxy.release();
    syncer.until_problem("overtaken-0", "pull-overtaken", "kubectl-create").await;
    syncer.until(|summary| summary.settled && summary.refused == 1).await;
    assert_eq!(syncer.conflicts("field_manager"), 1);
    assert_eq!(bed.secret("overtaken-0", "pull-overtaken").await, Some(theirs));
}

#[tokio::test]
async fn what_was_made_is_owned_by_the_manager_whose_applies_come_later() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-made", "made-*");
    ecr.publish("first");
    bed.namespaces("made", 1).await;
    let _syncer = bed.sync(&[&ecr]);
    for password in ["first", "second"] {
        ecr.publish(password);
        let secret = bed.until_secret("made-0", "pull-made", |config| config.contains(password)).await;
        let fields = secret.metadata.managed_fields.expect("field managers");
        assert_eq!(fields.iter().map(operation).collect::<Vec<_>>(), [Some(("pullmint", "Apply"))], "{password}");
    }
}
