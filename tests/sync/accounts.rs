//! ServiceAccounts name the Secret, and keep what others put there.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use world::Answer;

use crate::bed::{Bed, Running, until};
use crate::given::Given;

impl Bed {
    fn accounts(&self, namespace: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn create_account(&self, namespace: &str, name: &str) {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        self.accounts(namespace).create(&PostParams::default(), &account).await.expect("a ServiceAccount");
    }

    pub(crate) async fn until_listed(&self, namespace: &str, name: &str, secrets: &[&str]) -> ServiceAccount {
        until(&format!("{secrets:?} in ServiceAccount {namespace}/{name}"), async || {
            let account = self.accounts(namespace).get_opt(name).await.expect("an answer")?;
            (listed(&account) == secrets).then_some(account)
        })
        .await
    }

    /// Changes something that is none of pullmint's business.
    async fn touch_account(&self, namespace: &str, name: &str) {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "touched": "yes" } } }));
        self.accounts(namespace).patch(name, &PatchParams::default(), &patch).await.expect("a patched ServiceAccount");
    }

    async fn set_list(&self, namespace: &str, name: &str, secrets: &[&str]) {
        let list: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
        let patch = Patch::Merge(json!({ "imagePullSecrets": list }));
        self.accounts(namespace).patch(name, &PatchParams::default(), &patch).await.expect("a patched ServiceAccount");
    }
}

/// Whether somebody lists all namespaces.
fn lists_namespaces(request: &http::request::Parts) -> bool {
    request.uri.path() == "/api/v1/namespaces" && !request.uri.query().unwrap_or_default().contains("watch=true")
}

fn listed(account: &ServiceAccount) -> Vec<&str> {
    account.image_pull_secrets.iter().flatten().map(|secret| secret.name.as_str()).collect()
}

async fn until_in_sync(syncer: &Running, objects: usize) {
    syncer.until(|summary| summary.settled && summary.in_sync == objects).await;
}

#[tokio::test]
async fn the_named_service_accounts_name_the_secret_and_others_do_not() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-named", "named-*").accounts(&["named-sa"]);
    ecr.publish("hunter2");
    bed.namespaces("named", 1).await;
    bed.create_account("named-0", "named-sa").await;
    bed.create_account("named-0", "other-sa").await;
    let syncer = bed.sync(&[&ecr]);
    bed.until_listed("named-0", "named-sa", &["pull-named"]).await;
    until_in_sync(&syncer, 2).await;
    bed.until_listed("named-0", "other-sa", &[]).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_service_account_made_later_names_the_secret() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-later", "later-*").accounts(&["later-sa"]);
    ecr.publish("hunter2");
    bed.namespaces("later", 1).await;
    let syncer = bed.sync(&[&ecr]);
    until_in_sync(&syncer, 1).await;
    bed.create_account("later-0", "later-sa").await;
    bed.until_listed("later-0", "later-sa", &["pull-later"]).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_service_account_that_is_gone_is_not_counted() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-gone", "gone-*").accounts(&["gone-sa"]);
    ecr.publish("hunter2");
    bed.namespaces("gone", 1).await;
    bed.create_account("gone-0", "gone-sa").await;
    let syncer = bed.sync(&[&ecr]);
    until_in_sync(&syncer, 2).await;
    bed.accounts("gone-0").delete("gone-sa", &DeleteParams::default()).await.expect("a deleted ServiceAccount");
    until_in_sync(&syncer, 1).await;
}

#[tokio::test]
async fn entries_of_others_are_kept_and_ours_comes_back() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-kept", "kept-*").accounts(&["kept-sa"]);
    ecr.publish("hunter2");
    bed.namespaces("kept", 1).await;
    bed.create_account("kept-0", "kept-sa").await;
    bed.set_list("kept-0", "kept-sa", &["theirs"]).await;
    let syncer = bed.sync(&[&ecr]);
    bed.until_listed("kept-0", "kept-sa", &["theirs", "pull-kept"]).await;
    bed.set_list("kept-0", "kept-sa", &["more", "theirs"]).await;
    bed.until_listed("kept-0", "kept-sa", &["more", "theirs", "pull-kept"]).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn what_another_pullmint_added_is_left_to_that_one() {
    let bed = Bed::new().await;
    let one = Given::new("one", "pull-both-one", "both-0").accounts(&["both-sa"]);
    let two = Given::new("two", "pull-both-two", "both-1").accounts(&["both-sa"]);
    bed.namespaces("both", 2).await;
    for (namespace, given) in [("both-0", &one), ("both-1", &two)] {
        given.publish("hunter2");
        bed.create_account(namespace, "both-sa").await;
    }
    let first = bed.sync_as(bed.client.clone(), "both-first", &[&one]);
    let second = bed.sync_as(bed.client.clone(), "both-second", &[&two]);
    let of_first = bed.until_listed("both-0", "both-sa", &["pull-both-one"]).await;
    let of_second = bed.until_listed("both-1", "both-sa", &["pull-both-two"]).await;
    // Each has seen the other's account when its next Secret is there.
    one.publish("hunter3");
    two.publish("hunter3");
    bed.until_secret("both-0", "pull-both-one", |config| config.contains("hunter3")).await;
    bed.until_secret("both-1", "pull-both-two", |config| config.contains("hunter3")).await;
    until_in_sync(&first, 2).await;
    until_in_sync(&second, 2).await;
    for (namespace, before) in [("both-0", of_first), ("both-1", of_second)] {
        let after = bed.accounts(namespace).get("both-sa").await.expect("an account");
        assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "{namespace}");
    }
}

#[tokio::test]
async fn no_entry_is_lost_when_another_writer_changes_the_list_at_the_same_time() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-race", "race-*").accounts(&["race-sa"]);
    ecr.publish("hunter2");
    bed.namespaces("race", 1).await;
    bed.create_account("race-0", "race-sa").await;
    let syncer = bed.sync(&[&ecr]);
    let accounts = bed.accounts("race-0");
    for round in 0..30 {
        // As a client does that reads, changes and writes: on the version that it has read, again when that is outdated.
        until("the other writer's change", async || {
            let mut account = accounts.get("race-sa").await.expect("the ServiceAccount");
            let list = account.image_pull_secrets.get_or_insert_default();
            // It throws ours out every other time, so that there is always something to do.
            list.retain(|secret| round % 2 == 0 || secret.name != "pull-race");
            list.push(k8s_openapi::api::core::v1::LocalObjectReference { name: format!("theirs-{round}") });
            accounts.replace("race-sa", &PostParams::default(), &account).await.ok()
        })
        .await;
    }
    let account = until("our entry", async || {
        let account = accounts.get("race-sa").await.expect("the ServiceAccount");
        listed(&account).contains(&"pull-race").then_some(account)
    })
    .await;
    until_in_sync(&syncer, 2).await;
    for round in 0..30 {
        assert!(listed(&account).contains(&format!("theirs-{round}").as_str()), "theirs-{round} is lost");
    }
    assert_eq!(listed(&account).len(), 31);
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn the_entry_is_taken_back_when_the_namespace_leaves_the_selection() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-undone", "undone-*").selector("pull=yes").accounts(&["undone-sa"]);
    ecr.publish("hunter2");
    bed.labelled_namespaces("undone", 1, &[("pull", "yes")]).await;
    bed.create_account("undone-0", "undone-sa").await;
    bed.set_list("undone-0", "undone-sa", &["theirs"]).await;
    let syncer = bed.sync(&[&ecr]);
    bed.until_listed("undone-0", "undone-sa", &["theirs", "pull-undone"]).await;
    bed.label_namespace("undone-0", "pull", None).await;
    let account = bed.until_listed("undone-0", "undone-sa", &["theirs"]).await;
    assert_eq!(account.metadata.annotations, None, "no trace is left");
    bed.until_no_secret("undone-0", "pull-undone").await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn the_entry_is_taken_back_when_the_namespace_left_while_no_syncer_ran() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-absent", "absent-*").selector("pull=yes").accounts(&["absent-sa"]);
    ecr.publish("hunter2");
    bed.labelled_namespaces("absent", 5, &[("pull", "yes")]).await;
    for index in 0..5 {
        bed.create_account(&format!("absent-{index}"), "absent-sa").await;
    }
    let syncer = bed.sync(&[&ecr]);
    until_in_sync(&syncer, 10).await;
    drop(syncer);
    for index in 0..5 {
        bed.label_namespace(&format!("absent-{index}"), "pull", None).await;
    }
    let _syncer = bed.sync(&[&ecr]);
    for index in 0..5 {
        bed.until_listed(&format!("absent-{index}"), "absent-sa", &[]).await;
    }
}

#[tokio::test]
async fn no_account_is_touched_before_it_is_known_which_namespaces_other_claims_select() {
    let bed = Bed::new().await;
    let early = Given::new("early", "pull-stale-early", "stale-a-*").accounts(&["stale-sa"]);
    let late = Given::new("late", "pull-stale-late", "stale-b-*").accounts(&["stale-sa"]);
    early.publish("hunter2");
    late.publish("hunter3");
    for prefix in ["stale-a", "stale-b"] {
        bed.namespaces(prefix, 1).await;
        bed.create_account(&format!("{prefix}-0"), "stale-sa").await;
    }
    let (proxy, client) = bed.via_http().await;
    let syncer = bed.sync_as(client, crate::bed::US, &[&early, &late]);
    until_in_sync(&syncer, 4).await;
    // The first registry goes, so that the second moves up, and the new list of namespaces is slow to come.
    let (asked, mut told) = tokio::sync::watch::channel(false);
    proxy.set(move |request| match lists_namespaces(request) {
        true => {
            asked.send_replace(true);
            Answer::Hold
        }
        false => Answer::Pass,
    });
    syncer.activate(false);
    bed.touch_account("stale-b-0", "stale-sa").await;
    syncer.until(|summary| summary.queued > 0).await;
    let theirs = async |namespace| bed.accounts(namespace).get("stale-sa").await.expect("a ServiceAccount");
    let before = [theirs("stale-a-0").await, theirs("stale-b-0").await];
    syncer.assign(&[&late]);
    told.wait_for(|asked| *asked).await.expect("a proxy");
    syncer.activate(true);
    syncer.until(|summary| summary.queued == 0).await;
    assert_eq!([theirs("stale-a-0").await, theirs("stale-b-0").await], before, "patched by what is not known");
    proxy.release();
    bed.until_listed("stale-a-0", "stale-sa", &[]).await;
    until_in_sync(&syncer, 2).await;
    assert_eq!(theirs("stale-b-0").await, before[1], "what stays is never taken away");
    bed.assert_at_rest(syncer, &[&late]).await;
}
