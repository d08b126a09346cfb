//! Under exactly the roles that pullmint asks for everything works, and with any verb less the lack is told.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use pullmint::config::settings::{EcrPublic, NamespaceSelection, ProviderSettings, Registry, Renewal, Settings};
use pullmint::rbac::{Roles, roles};
use pullmint::registry::RegistryName;
use pullmint::status::{Counts, ServiceAccountStatus};
use pullmint::sync::summary::Summary;
use serde_json::json;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use world::Log;

use crate::bed::{Bed, US, client, foreign_secret, until};
use crate::given::Given;

impl Bed {
    /// Makes a ServiceAccount with these roles in the namespace, and a client that is it.
    async fn client_with(&self, namespace: &str, roles: &Roles) -> Client {
        world::apply_all(&self.client, roles.objects()).await.expect("applied objects");
        let name = roles.service_account.metadata.name.as_deref().expect("a name");
        let plane = &world::shared().await.expect("a control plane").control_plane;
        client(&plane.kubeconfig_for_service_account(namespace, name).await.expect("a kubeconfig")).await
    }
}

/// Writes into a log all that a syncer says.
fn subscriber(log: &Log) -> impl tracing::Subscriber + Send + Sync + use<> {
    let log = log.clone();
    tracing_subscriber::fmt().with_writer(move || log.clone()).with_ansi(false).finish()
}

/// The roles of a pullmint that writes Secrets and patches ServiceAccounts of these names.
fn roles_for(namespace: &str, secret: &str, accounts: &[&str]) -> Roles {
    let registry = Registry {
        name: RegistryName::new("ecr"),
        provider: ProviderSettings::EcrPublic(EcrPublic { hosts: Vec::new(), role: None, endpoint: None }),
        secret: secret.to_owned(),
        namespaces: NamespaceSelection { include: Vec::new(), exclude: Vec::new(), selector: String::new() },
        service_accounts: accounts.iter().map(|&name| name.to_owned()).collect(),
        renewal: Renewal { at: 0.5, schedule: None },
        verify: false,
    };
    let settings = Settings {
        registries: vec![registry],
        retired: Default::default(),
        concurrency: 1,
        max_writes_per_second: None,
        ca_file: None,
        log: None,
        admin: Default::default(),
        pulls: Default::default(),
    };
    let mut roles = roles(&settings, namespace);
    // Many pullmints share this cluster, which the names of cluster-wide objects do not provide for.
    roles.cluster_role.metadata.name = Some(namespace.to_owned());
    roles.cluster_role_binding.metadata.name = Some(namespace.to_owned());
    roles.cluster_role_binding.role_ref.name = namespace.to_owned();
    roles
}

fn account(name: &str) -> ServiceAccount {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ServiceAccount { metadata, ..ServiceAccount::default() }
}

#[tokio::test]
async fn under_exactly_its_roles_the_syncer_does_all_its_work() {
    let bed = Bed::new().await;
    bed.namespaces("rbac-home", 1).await;
    bed.labelled_namespaces("rbac", 2, &[("pull", "yes")]).await;
    let ecr = Given::new("ecr", "pull-rbac", "rbac-*").selector("pull=yes").accounts(&["rbac-sa"]);
    let accounts = Api::<ServiceAccount>::namespaced(bed.client.clone(), "rbac-0");
    accounts.create(&PostParams::default(), &account("rbac-sa")).await.expect("a ServiceAccount");
    let roles = roles_for("rbac-home-0", "pull-rbac", &["rbac-sa"]);
    let client = bed.client_with("rbac-home-0", &roles).await;

    ecr.publish("first");
    let syncer = bed.sync_as(client, US, &[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == 3).await;
    ecr.publish("second");
    bed.until_secret("rbac-0", "pull-rbac", |config| config.contains("second")).await;
    bed.edit_secret("rbac-0", "pull-rbac", json!({ "stringData": { ".dockerconfigjson": r#"{"auths":{}}"# } })).await;
    bed.until_secret("rbac-0", "pull-rbac", |config| config.contains("second")).await;
    bed.delete_secret("rbac-1", "pull-rbac").await;
    bed.until_secret("rbac-1", "pull-rbac", |config| config.contains("second")).await;
    bed.label_namespace("rbac-0", "pull", None).await;
    bed.until_no_secret("rbac-0", "pull-rbac").await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.problems.is_empty()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn what_left_the_configuration_is_removed_by_one_who_may_no_longer_write_it() {
    let bed = Bed::new().await;
    bed.namespaces("leaver-home", 1).await;
    bed.namespaces("leaver", 2).await;
    let ecr = Given::new("ecr", "pull-leaver", "leaver-?");
    ecr.publish("hunter2");
    let before = bed.sync(&[&ecr]);
    before.until(|summary| summary.settled && summary.in_sync == 2).await;
    drop(before);

    let mut roles = roles_for("leaver-home-0", "pull-leaver", &[]);
    let rules = roles.cluster_role.rules.as_mut().expect("rules");
    let is_of_secrets = |rule: &&mut PolicyRule| rule.resources.iter().flatten().any(|resource| resource == "secrets");
    let of_secrets = rules.iter_mut().find(is_of_secrets).expect("a rule");
    of_secrets.verbs = ["delete", "list", "watch"].map(str::to_owned).to_vec();
    let syncer = bed.sync_as(bed.client_with("leaver-home-0", &roles).await, US, &[&ecr]);
    syncer.until(|summary| summary.listed && summary.failing == 2).await;
    syncer.assign(&[]);
    for namespace in ["leaver-0", "leaver-1"] {
        bed.until_no_secret(namespace, "pull-leaver").await;
    }
    syncer.until(|summary| summary.settled && summary.problems.is_empty()).await;
}

#[tokio::test]
async fn no_other_secret_can_be_read_or_written_under_these_roles() {
    let bed = Bed::new().await;
    bed.namespaces("confined", 2).await;
    bed.create_secret("confined-0", foreign_secret("theirs")).await;
    bed.create_secret("confined-1", foreign_secret("pullmint-state")).await;
    let roles = roles_for("confined-0", "pull-confined", &[]);
    let client = bed.client_with("confined-0", &roles).await;
    let here = Api::<Secret>::namespaced(client.clone(), "confined-0");
    let there = Api::<Secret>::namespaced(client.clone(), "confined-1");
    let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    until("the roles in force", async || here.list(&named("pull-confined")).await.ok()).await;

    let all = Api::<Secret>::all(client);
    let mut refusals = vec![
        here.get("theirs").await.map(drop),
        there.get("pullmint-state").await.map(drop),
        here.list(&ListParams::default()).await.map(drop),
        here.list(&named("theirs")).await.map(drop),
        all.list(&ListParams::default()).await.map(drop),
        all.list(&named("theirs")).await.map(drop),
        here.delete("theirs", &Default::default()).await.map(drop),
    ];
    let patch = kube::api::Patch::Merge(json!({ "metadata": { "labels": { "mine": "yes" } } }));
    refusals.push(here.patch("theirs", &Default::default(), &patch).await.map(drop));
    let other: Secret = serde_json::from_value(foreign_secret("other")).expect("a Secret");
    refusals.push(here.create(&PostParams::default(), &other).await.map(drop));
    for (number, refusal) in refusals.into_iter().enumerate() {
        let forbidden = matches!(&refusal, Err(kube::Error::Api(status)) if status.is_forbidden());
        assert!(forbidden, "request {number}: {refusal:?}");
    }
}

#[tokio::test]
async fn service_accounts_that_may_not_be_patched_are_on_the_board() {
    let bed = Bed::new().await;
    let names = bed.namespaces("unpatched", 2).await;
    let accounts = Api::<ServiceAccount>::namespaced(bed.client.clone(), &names[1]);
    accounts.create(&PostParams::default(), &account("unpatched-sa")).await.expect("a ServiceAccount");
    let ecr = Given::new("ecr", "pull-unpatched", "unpatched-*").accounts(&["unpatched-sa"]);
    ecr.publish("hunter2");
    let (less, verb, resource) = without(&roles_for(&names[0], "pull-unpatched", &["unpatched-sa"]), 3, 1);
    assert_eq!((verb.as_str(), resource.as_str()), ("patch", "serviceaccounts"));
    let syncer = bed.sync_as(bed.client_with(&names[0], &less).await, US, &[&ecr]);
    let failing = |account: &ServiceAccountStatus| account.copies == Counts { failing: 1, ..Counts::default() };
    let others_are_well = |summary: &Summary| summary.settled && summary.in_sync == 2 && summary.failing == 1;
    syncer.until(|it| others_are_well(it) && it.board.service_accounts.iter().any(failing)).await;
    assert_ne!(syncer.conflicts("forbidden"), 0);
    let board = syncer.summary().board;
    let troubled = &board.namespaces[0];
    assert_eq!(troubled.name, names[1]);
    let problem = troubled.service_accounts[0].problem.as_deref().expect("a problem");
    assert!(problem.contains("cannot patch resource") && problem.contains("`pullmint rbac`"), "{problem}");
}

#[tokio::test]
async fn what_the_roles_no_longer_allow_to_remove_is_left_over_until_they_do() {
    let bed = Bed::new().await;
    let names = bed.namespaces("retired", 2).await;
    let accounts = Api::<ServiceAccount>::namespaced(bed.client.clone(), &names[0]);
    accounts.create(&PostParams::default(), &account("retired-sa")).await.expect("a ServiceAccount");
    let ecr = Given::new("ecr", "pull-retired", "retired-*").accounts(&["retired-sa"]);
    ecr.publish("hunter2");
    let wide = roles_for(&names[0], "pull-retired", &["retired-sa"]);
    let client = bed.client_with(&names[0], &wide).await;
    let log = Log::default();
    // Of a single one in the process tracing asks the thread that meets a line first, and that may be another test's.
    let _second = Dispatch::new(subscriber(&Log::default()));
    let running = async { bed.sync_as(client.clone(), US, &[&ecr]) };
    let syncer = running.with_subscriber(subscriber(&log)).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 3).await;

    // As an upgrade of the chart does it: the names go from the roles, and then from the configuration.
    let mut narrow = wide.clone();
    narrow.cluster_role.rules.as_mut().expect("rules").truncate(2);
    bed.client_with(&names[0], &narrow).await;
    let named = ListParams::default().fields("metadata.name=pull-retired");
    let may_list = async || Api::<Secret>::all(client.clone()).list_metadata(&named).await.is_ok();
    until("the narrower roles", async || (!may_list().await).then_some(())).await;
    syncer.assign(&[]);
    syncer.until(|summary| summary.settled && summary.left_over == 3 && summary.failing == 0).await;
    syncer.until_problem(&names[1], "pull-retired", "`retired_secrets`").await;
    let text = log.text();
    let told = |words: &str| text.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let removing = told("removing");
    let truth = "no registry has a Secret of this name";
    assert!(removing.len() == 2 && removing.iter().all(|line| line.contains(truth)), "{text}");
    let left = told("left over");
    assert!(
        left.len() == 3 && left.iter().all(|line| line.contains("then prints") && !line.contains("objects")),
        "{text}"
    );
    let secret = syncer.summary().board.secrets[0].clone();
    assert_eq!(secret.copies, Counts { left_over: 2, ..Counts::default() });
    assert_eq!(secret.lowest_expires_at, None, "nobody is to be alarmed when it expires");

    bed.client_with(&names[0], &wide).await;
    until("the wider roles", async || may_list().await.then_some(())).await;
    syncer.assign(&[]);
    for name in &names {
        bed.until_no_secret(name, "pull-retired").await;
    }
    syncer.until(|summary| summary.settled && summary.left_over == 0).await;
}

#[tokio::test]
async fn a_name_that_may_not_be_listed_is_told_with_its_remedy_and_holds_nothing_else_up() {
    let bed = Bed::new().await;
    let names = bed.namespaces("unlisted", 2).await;
    let listed = Given::new("listed", "pull-listed", "unlisted-*");
    let refused = Given::new("refused", "pull-refused", "unlisted-*").accounts(&["refused-sa"]);
    let client = bed.client_with(&names[0], &roles_for(&names[0], "pull-listed", &[])).await;
    listed.publish("hunter2");
    refused.publish("hunter3");
    let syncer = bed.sync_as(client, US, &[&listed, &refused]);
    syncer.until(|summary| summary.settled && summary.in_sync == 2 && summary.failing == 4).await;
    let problem = syncer.until_problem(&names[1], "pull-refused", "`pullmint rbac`").await;
    assert!(problem.contains("cannot list resource \"secrets\""), "{problem}");
    let registries = || syncer.coverage.borrow().keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(registries(), ["listed"], "of what nobody can see nobody knows that it is everywhere");

    listed.publish("hunter4");
    bed.until_secret(&names[1], "pull-listed", |config| config.contains("hunter4")).await;
    let mut roles = roles_for(&names[0], "pull-refused", &["refused-sa"]);
    let before = roles_for(&names[0], "pull-listed", &[]).cluster_role.rules.unwrap_or_default();
    roles.cluster_role.rules.as_mut().expect("rules").extend(before);
    bed.client_with(&names[0], &roles).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 4 && summary.failing == 0).await;
    assert_eq!(registries(), ["listed", "refused"]);
    bed.assert_at_rest(syncer, &[&listed, &refused]).await;
}

#[tokio::test]
async fn without_the_namespaces_nothing_is_known_and_nobody_believes_otherwise() {
    let bed = Bed::new().await;
    let names = bed.namespaces("blind", 1).await;
    let mut roles = roles_for(&names[0], "pull-blind", &[]);
    roles
        .cluster_role
        .rules
        .as_mut()
        .expect("rules")
        .retain(|rule| !rule.resources.iter().flatten().any(|it| it == "namespaces"));
    let ecr = Given::new("ecr", "pull-blind", "blind-*");
    ecr.publish("hunter2");
    let syncer = bed.sync_as(bed.client_with(&names[0], &roles).await, US, &[&ecr]);
    syncer.until(|summary| summary.blocked.as_ref().is_some_and(|why| why.contains("`pullmint rbac`"))).await;
    assert!(!syncer.summary().settled && !syncer.summary().listed && syncer.coverage.borrow().is_empty());
    bed.client_with(&names[0], &roles_for(&names[0], "pull-blind", &[])).await;
    syncer.until(|summary| summary.settled && summary.in_sync == 1 && summary.blocked.is_none()).await;
}

/// Takes one verb from one rule of the ClusterRole.
fn without(roles: &Roles, rule: usize, verb: usize) -> (Roles, String, String) {
    let mut less = roles.clone();
    let rules: &mut Vec<PolicyRule> = less.cluster_role.rules.as_mut().expect("rules");
    let verb = rules[rule].verbs.remove(verb);
    let resource = rules[rule].resources.as_ref().expect("resources")[0].clone();
    (less, verb, resource)
}

#[tokio::test]
async fn with_any_verb_less_the_lack_is_told_with_verb_and_resource() {
    let bed = Bed::new().await;
    let whole = roles_for("lack", "pull-lack", &["lack-sa"]);
    let verbs = |rule: &PolicyRule| rule.verbs.len();
    let counts: Vec<_> = whole.cluster_role.rules.iter().flatten().map(verbs).collect();
    assert_eq!(counts, [2, 2, 5, 3]);
    // The syncer itself tells no events.
    let cases = counts
        .iter()
        .enumerate()
        .filter(|(rule, _)| *rule != 1)
        .flat_map(|(rule, count)| (0..*count).map(move |verb| (rule, verb)));
    let told = cases.map(|(rule, verb)| lack(&bed, rule, verb));
    futures::future::join_all(told).await;
}

async fn lack(bed: &Bed, rule: usize, verb: usize) {
    let prefix = format!("lack-{rule}{verb}");
    let (secret, account_name) = (format!("pull-{prefix}"), format!("{prefix}-sa"));
    let names = bed.labelled_namespaces(&prefix, 2, &[("pull", "yes")]).await;
    let accounts = Api::<ServiceAccount>::namespaced(bed.client.clone(), &names[0]);
    accounts.create(&PostParams::default(), &account(&account_name)).await.expect("a ServiceAccount");
    let ecr = Given::new("ecr", &secret, &format!("{prefix}-*")).selector("pull=yes").accounts(&[&account_name]);
    ecr.publish("hunter2");

    let roles = roles_for(&names[0], &secret, &[&account_name]);
    let (less, verb, resource) = without(&roles, rule, verb);
    let client = bed.client_with(&names[0], &less).await;
    if verb == "delete" {
        // There has to be something to remove.
        let first = bed.sync(&[&ecr]);
        first.until(|summary| summary.settled && summary.in_sync == 3).await;
        drop(first);
        bed.label_namespace(&names[1], "pull", None).await;
    }

    let log = Log::default();
    let running = async { bed.sync_as(client, US, &[&ecr]) }.with_subscriber(subscriber(&log)).await;
    let wanted = [format!("cannot {verb} resource"), format!("\"{resource}\"")];
    until(&format!("{wanted:?} in the log"), async || {
        let text = log.text();
        text.lines().any(|line| wanted.iter().all(|words| line.replace('\\', "").contains(words))).then_some(())
    })
    .await;
    drop(running);
}
