//! Namespaces come, change and go; Secrets are deleted and edited.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::bed::{Bed, dockerconfigjson, foreign_secret, until};
use crate::given::Given;

#[tokio::test]
async fn selected_namespaces_get_the_secret_and_others_do_not() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-basic", "basic-*");
    bed.namespaces("basic", 3).await;
    bed.namespaces("other", 1).await;
    let syncer = bed.sync(&[&ecr]);
    ecr.publish("hunter2");
    syncer.until(|summary| summary.settled && summary.in_sync == 3).await;
    bed.until_secret("basic-2", "pull-basic", |config| config.contains("hunter2")).await;
    assert!(bed.secret("other-0", "pull-basic").await.is_none());
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_namespace_made_while_the_syncer_runs_is_served() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-new", "new-*");
    ecr.publish("hunter2");
    let syncer = bed.sync(&[&ecr]);
    syncer.until_settled().await;
    bed.namespaces("new", 1).await;
    bed.until_secret("new-0", "pull-new", |config| config.contains("hunter2")).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_namespace_that_is_relabelled_into_the_selection_is_served() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-relabel", "relabel-*").selector("pull=yes");
    ecr.publish("hunter2");
    bed.namespaces("relabel", 2).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until_settled().await;
    bed.label_namespace("relabel-0", "pull", Some("yes")).await;
    bed.until_secret("relabel-0", "pull-relabel", |config| config.contains("hunter2")).await;
    assert!(bed.secret("relabel-1", "pull-relabel").await.is_none());
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_namespace_that_leaves_the_selection_loses_our_secret() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-leave", "leave-*").selector("pull=yes");
    ecr.publish("hunter2");
    bed.labelled_namespaces("leave", 2, &[("pull", "yes")]).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    bed.label_namespace("leave-0", "pull", Some("no")).await;
    bed.until_no_secret("leave-0", "pull-leave").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    assert!(bed.secret("leave-1", "pull-leave").await.is_some());
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_namespace_that_left_while_no_syncer_ran_loses_our_secret() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-left", "left-*").selector("pull=yes");
    ecr.publish("hunter2");
    bed.labelled_namespaces("left", 1, &[("pull", "yes")]).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    drop(syncer);
    bed.label_namespace("left-0", "pull", None).await;
    let _syncer = bed.sync(&[&ecr]);
    bed.until_no_secret("left-0", "pull-left").await;
}

#[tokio::test]
async fn a_namespace_that_leaves_the_selection_keeps_a_foreign_secret() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-stay", "stay-*").selector("pull=yes");
    ecr.publish("hunter2");
    bed.labelled_namespaces("stay", 2, &[("pull", "yes")]).await;
    let theirs = bed.create_secret("stay-0", foreign_secret("pull-stay")).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.refused == 1).await;
    for namespace in ["stay-0", "stay-1"] {
        bed.label_namespace(namespace, "pull", None).await;
    }
    // Ours goes, so the syncer has seen both leave.
    bed.until_no_secret("stay-1", "pull-stay").await;
    syncer.until(|summary| summary.settled && summary.refused == 0).await;
    assert_eq!(bed.secret("stay-0", "pull-stay").await, Some(theirs));
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_terminating_namespace_is_left_alone() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-ending", "ending-*");
    ecr.publish("first");
    bed.namespaces("ending", 2).await;
    let namespaces = Api::<Namespace>::all(bed.client.clone());
    let finalizers = |names: &[&str]| Patch::Merge(json!({ "metadata": { "finalizers": names } }));
    let hold = finalizers(&["test.pullmint.dev/hold"]);
    namespaces.patch("ending-0", &PatchParams::default(), &hold).await.expect("a held namespace");
    let syncer = bed.sync(&[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;

    namespaces.delete("ending-0", &DeleteParams::default()).await.expect("a terminating namespace");
    bed.until_no_secret("ending-0", "pull-ending").await;
    let writes = syncer.summary().writes;
    ecr.publish("second");
    bed.until_secret("ending-1", "pull-ending", |config| config.contains("second")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    assert!(bed.secret("ending-0", "pull-ending").await.is_none());
    assert_eq!(syncer.summary().writes, writes + 1, "only the other namespace was written to");
    assert!(syncer.summary().problems.is_empty(), "{:?}", syncer.summary());

    namespaces.patch("ending-0", &PatchParams::default(), &finalizers(&[])).await.expect("a released namespace");
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn namespaces_that_are_deleted_during_the_writes_do_not_hold_up_the_others() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-doomed", "doomed-*");
    let names = bed.namespaces("doomed", 60).await;
    let syncer = bed.sync(&[&ecr]);
    syncer.until_settled().await;
    ecr.publish("hunter2");
    let namespaces = Api::<Namespace>::all(bed.client.clone());
    let delete = names[..30].iter().map(|name| {
        let namespaces = namespaces.clone();
        async move { namespaces.delete(name, &DeleteParams::default()).await.expect("a terminating namespace") }
    });
    futures::future::join_all(delete).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 30).await;
    assert!(syncer.summary().problems.is_empty(), "{:?}", syncer.summary());
    for name in &names[30..] {
        bed.until_secret(name, "pull-doomed", |config| config.contains("hunter2")).await;
    }
    for name in &names[..30] {
        until("the end of the namespace", async || {
            namespaces.get_opt(name).await.expect("an answer").is_none().then_some(())
        })
        .await;
    }
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_deleted_secret_is_restored() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-deleted", "deleted-*");
    ecr.publish("hunter2");
    bed.namespaces("deleted", 1).await;
    let syncer = bed.sync(&[&ecr]);
    let first = bed.until_secret("deleted-0", "pull-deleted", |config| config.contains("hunter2")).await;
    bed.delete_secret("deleted-0", "pull-deleted").await;
    let second = bed.until_secret("deleted-0", "pull-deleted", |config| config.contains("hunter2")).await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert_eq!(first.data, second.data);
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn whatever_of_a_secret_is_edited_is_restored_in_place() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-edited", "edited-*");
    ecr.publish("hunter2");
    bed.namespaces("edited", 1).await;
    let syncer = bed.sync(&[&ecr]);
    let first = bed.until_secret("edited-0", "pull-edited", |config| config.contains("hunter2")).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    let edits = [
        json!({ "stringData": { ".dockerconfigjson": r#"{"auths":{}}"# } }),
        json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "me" } } }),
        json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null, "pullmint.dev/owner": null } } }),
        json!({ "metadata": { "annotations": { "pullmint.dev/registries": "spoiled" } } }),
        json!({ "metadata": { "annotations": null, "labels": null } }),
    ];
    for edit in edits {
        bed.edit_secret("edited-0", "pull-edited", edit.clone()).await;
        until(&format!("the Secret as before {edit}"), async || {
            let now = bed.secret("edited-0", "pull-edited").await?;
            let same = now.data == first.data
                && now.metadata.labels == first.metadata.labels
                && now.metadata.annotations == first.metadata.annotations;
            same.then_some(())
        })
        .await;
    }
    let last = bed.secret("edited-0", "pull-edited").await.expect("the Secret");
    assert_eq!(last.metadata.uid, first.metadata.uid);
    assert_eq!(dockerconfigjson(&last), dockerconfigjson(&first));
    bed.assert_at_rest(syncer, &[&ecr]).await;
}
