//! What belongs to others stays theirs, unless they consent.

use serde_json::json;

use crate::bed::{Bed, US, foreign_secret};
use crate::given::Given;

#[tokio::test]
async fn a_foreign_secret_is_refused_with_its_managers_name_and_untouched() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-foreign", "foreign-*");
    ecr.publish("first");
    bed.namespaces("foreign", 2).await;
    let theirs = bed.create_secret("foreign-0", foreign_secret("pull-foreign")).await;
    let syncer = bed.sync(&[&ecr]);
    let problem = syncer.until_problem("foreign-0", "pull-foreign", "kubectl-create").await;
    assert!(problem.contains("kubectl annotate"), "it tells what to do: {problem}");
    ecr.publish("second");
    bed.until_secret("foreign-1", "pull-foreign", |config| config.contains("second")).await;
    syncer.until(|summary| summary.settled && summary.refused == 1 && summary.in_sync == 1).await;
    assert_eq!(syncer.conflicts("foreign"), 1, "told once, however often it was looked at");
    assert_eq!(bed.secret("foreign-0", "pull-foreign").await, Some(theirs));
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_foreign_secret_that_takes_the_place_of_ours_is_refused() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-usurped", "usurped-*");
    bed.namespaces("usurped", 1).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.waiting == 1).await;
    let theirs = bed.create_secret("usurped-0", foreign_secret("pull-usurped")).await;
    syncer.until_problem("usurped-0", "pull-usurped", "kubectl-create").await;
    ecr.publish("hunter2");
    bed.namespaces("usurped-later", 1).await;
    bed.until_secret("usurped-later-0", "pull-usurped", |config| config.contains("hunter2")).await;
    assert_eq!(bed.secret("usurped-0", "pull-usurped").await, Some(theirs));
}

#[tokio::test]
async fn a_foreign_secret_that_consents_is_taken_over_in_place() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-consent", "consent-*");
    ecr.publish("hunter2");
    bed.namespaces("consent", 1).await;
    let theirs = bed.create_secret("consent-0", foreign_secret("pull-consent")).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.refused == 1).await;
    let consent = json!({ "metadata": { "annotations": { "pullmint.dev/adopt": "true" } } });
    bed.edit_secret("consent-0", "pull-consent", consent).await;
    let ours = bed.until_secret("consent-0", "pull-consent", |config| config.contains("hunter2")).await;
    assert_eq!(ours.metadata.uid, theirs.metadata.uid);
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 0).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_secret_made_immutable_is_reported_and_kept_until_its_user_deletes_it() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-immutable", "immutable-*");
    ecr.publish("first");
    bed.namespaces("immutable", 1).await;
    let syncer = bed.sync(&[&ecr]);
    let first = bed.until_secret("immutable-0", "pull-immutable", |config| config.contains("first")).await;
    bed.edit_secret("immutable-0", "pull-immutable", json!({ "immutable": true })).await;
    syncer.until_settled().await;
    ecr.publish("second");
    let problem = syncer.until_problem("immutable-0", "pull-immutable", "immutable").await;
    assert!(problem.contains("delete it"), "it tells what to do: {problem}");
    assert_ne!(syncer.conflicts("unchangeable"), 0);
    let kept = bed.secret("immutable-0", "pull-immutable").await.expect("the Secret");
    assert_eq!((kept.metadata.uid, kept.data), (first.metadata.uid, first.data));
    bed.delete_secret("immutable-0", "pull-immutable").await;
    bed.until_secret("immutable-0", "pull-immutable", |config| config.contains("second")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.problems.is_empty()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_secret_of_another_type_is_reported_and_kept_even_if_it_consents() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-opaque", "opaque-*");
    ecr.publish("hunter2");
    bed.namespaces("opaque", 1).await;
    let consenting = json!({
        "metadata": { "name": "pull-opaque", "annotations": { "pullmint.dev/adopt": "true" } },
        "type": "Opaque",
        "stringData": { "password": "mine" },
    });
    let theirs = bed.create_secret("opaque-0", consenting).await;
    let syncer = bed.sync(&[&ecr]);
    let problem = syncer.until_problem("opaque-0", "pull-opaque", "type").await;
    assert!(problem.contains("delete it"), "it tells what to do: {problem}");
    assert_ne!(syncer.conflicts("unchangeable"), 0);
    assert_eq!(bed.secret("opaque-0", "pull-opaque").await, Some(theirs));
    bed.delete_secret("opaque-0", "pull-opaque").await;
    bed.until_secret("opaque-0", "pull-opaque", |config| config.contains("hunter2")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.problems.is_empty()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn the_secret_of_another_pullmint_is_refused() {
    let bed = Bed::new().await;
    let theirs = Given::new("ecr", "pull-rival", "rival-*");
    let ours = theirs.elsewhere();
    theirs.publish("theirs");
    bed.namespaces("rival", 1).await;
    let other = bed.sync_as(bed.client.clone(), "elsewhere", &[&theirs]);
    let before = bed.until_secret("rival-0", "pull-rival", |config| config.contains("theirs")).await;
    other.until_settled().await;
    ours.publish("ours");
    let syncer = bed.sync(&[&ours]);
    syncer.until_problem("rival-0", "pull-rival", "the pullmint in namespace elsewhere").await;
    assert_eq!(bed.secret("rival-0", "pull-rival").await, Some(before));
    bed.assert_at_rest(syncer, &[&ours]).await;
}

#[tokio::test]
async fn two_pullmints_do_not_fight_over_a_secret_that_consents() {
    let bed = Bed::new().await;
    let theirs = Given::new("ecr", "pull-shared", "shared-*");
    let ours = theirs.elsewhere();
    theirs.publish("theirs");
    bed.namespaces("shared", 1).await;
    let other = bed.sync_as(bed.client.clone(), "elsewhere", &[&theirs]);
    let before = bed.until_secret("shared-0", "pull-shared", |config| config.contains("theirs")).await;
    ours.publish("ours");
    let syncer = bed.sync(&[&ours]);
    syncer.until_problem("shared-0", "pull-shared", "elsewhere").await;
    let consent = json!({ "metadata": { "annotations": { "pullmint.dev/adopt": "true" } } });
    bed.edit_secret("shared-0", "pull-shared", consent).await;
    let after = bed.until_secret("shared-0", "pull-shared", |config| config.contains("ours")).await;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    other.until_problem("shared-0", "pull-shared", US).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    theirs.publish("theirs again");
    other.until(|summary| summary.settled && summary.refused == 1).await;
    bed.until_secret("shared-0", "pull-shared", |config| config.contains("ours")).await;
    bed.assert_at_rest(syncer, &[&ours]).await;
}
