//! Under exactly the printed roles failed pulls are explained, and with any verb less the lack is told.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, PostParams};
use pullmint::rbac::{Roles, roles};
use serde_json::json;
use tracing::instrument::WithSubscriber;
use world::Log;

use crate::bed::{Bed, Watcher, settings, until};

/// An image that nobody needs to ask for: what is wrong with it stands in the cluster.
const IMAGE: &str = "registry.invalid/team/app:1";

fn subscriber(log: &Log) -> impl tracing::Subscriber + Send + Sync + use<> {
    let log = log.clone();
    tracing_subscriber::fmt().with_writer(move || log.clone()).with_ansi(false).finish()
}

/// The rules of what the configuration asks for, but not those of a pullmint that explains nothing.
fn own_rules(whole: &Roles, home: &str) -> Vec<PolicyRule> {
    let mut plain = settings("");
    plain.pulls.explain = false;
    let before = roles(&plain, home).cluster_role.rules.unwrap_or_default();
    let rules = whole.cluster_role.rules.iter().flatten();
    rules.filter(|rule| !before.contains(rule)).cloned().collect()
}

#[tokio::test]
async fn under_exactly_its_roles_a_failed_pull_is_explained_without_a_refusal() {
    let bed = Bed::new("entitled").await;
    let secret = json!({"metadata": {"name": "theirs"}, "stringData": {"password": "CANARY-of-the-rights"}});
    let secret: Secret = serde_json::from_value(secret).expect("a Secret");
    let secrets: Api<Secret> = Api::namespaced(bed.client.clone(), &bed.namespace);
    secrets.create(&PostParams::default(), &secret).await.expect("a Secret");
    bed.failing_pod("web", IMAGE, &["pullmint-ecr", "theirs"]).await;

    let settings = settings("");
    let client = bed.client_with(&roles(&settings, &bed.namespace)).await;
    let itself: Api<Secret> = Api::namespaced(client.clone(), &bed.namespace);
    until("the roles in force", async || itself.get_opt("pullmint-ecr").await.ok()).await;
    let log = Log::default();
    let watching = async { Watcher::start(client, &settings) };
    let mut watcher = watching.with_subscriber(subscriber(&log)).await;
    watcher.until("an explained pod", &bed.namespace, |codes| codes.len() == 1).await;
    assert_eq!(log.text(), "");
    assert!(itself.get("theirs").await.is_err(), "which the daemon did not even try");
    bed.delete_pods().await;
}

#[tokio::test]
async fn with_any_verb_less_the_lack_is_told_with_verb_and_resource() {
    let rules = own_rules(&roles(&settings(""), "any"), "any");
    let verbs = rules.iter().enumerate().flat_map(|(rule, it)| (0..it.verbs.len()).map(move |verb| (rule, verb)));
    let verbs: Vec<_> = verbs.collect();
    assert_eq!(verbs.len(), 6, "{rules:?}");
    join_all(verbs.into_iter().map(|(rule, verb)| lack(rule, verb))).await;
}

async fn lack(rule: usize, verb: usize) {
    let bed = Bed::new(&format!("lack-{rule}{verb}")).await;
    bed.failing_pod("web", IMAGE, &["pullmint-ecr"]).await;
    let settings = settings("");
    let mut less = roles(&settings, &bed.namespace);
    let less_rule = own_rules(&less, &bed.namespace).remove(rule);
    let all = less.cluster_role.rules.as_mut().expect("rules");
    let place = all.iter().position(|rule| *rule == less_rule).expect("a rule");
    let verb = all[place].verbs.remove(verb);
    let resource = all[place].resources.as_ref().expect("resources")[0].clone();
    all.retain(|rule| !rule.verbs.is_empty());
    let client = bed.client_with(&less).await;

    let log = Log::default();
    let watching = async { Watcher::start(client, &settings) };
    let watcher = watching.with_subscriber(subscriber(&log)).await;
    let wanted = [format!("cannot {verb} resource"), format!("\"{resource}\"")];
    until(&format!("{wanted:?} in the log"), async || {
        let text = log.text().replace('\\', "");
        text.lines().any(|line| wanted.iter().all(|words| line.contains(words))).then_some(())
    })
    .await;
    drop(watcher);
    bed.delete_pods().await;
}
