//! The API server dies, hangs, refuses and throttles, and the way to it breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use pullmint::clock::{Clock, SystemClock};
use world::{Answer, Fault, FaultProxy, HttpProxy, World};

use crate::bed::{Bed, PATIENCE, client, dockerconfigjson, until};
use crate::given::Given;

impl Bed {
    /// A client through a proxy of bytes, which gives up on a connection that is silent for so long.
    async fn via(&self, silence: Duration) -> (FaultProxy, Client) {
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let proxy = FaultProxy::start(&plane.url()).await.expect("a proxy");
        let kubeconfig = plane.kubeconfig_via(&proxy.url()).expect("a kubeconfig");
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let mut config = config.expect("a configuration");
        config.read_timeout = Some(silence);
        (proxy, crate::bed::client_of(config))
    }

    /// A client through a proxy that speaks HTTP.
    pub(crate) async fn via_http(&self) -> (HttpProxy, Client) {
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let proxy = HttpProxy::start(plane).await.expect("a proxy");
        let client = client(&plane.kubeconfig_via(&proxy.url()).expect("a kubeconfig")).await;
        (proxy, client)
    }

    async fn until_everywhere(&self, names: &[String], secret: &str, password: &str) -> BTreeSet<String> {
        let mut uids = BTreeSet::new();
        for name in names {
            let secret = self.until_secret(name, secret, |config| config.contains(password)).await;
            uids.extend(secret.metadata.uid);
        }
        assert_eq!(uids.len(), names.len());
        uids
    }
}

/// Longer than any test: nothing but a fault ends a connection.
const NEVER: Duration = PATIENCE;

fn refusal(status: u16, body: &'static str) -> Answer {
    Answer::Instead { status, retry_after: None, body }
}

fn is_write(request: &http::request::Parts) -> bool {
    request.method == "PATCH"
}

#[tokio::test]
async fn the_death_of_the_api_server_amid_writes_costs_no_secret_and_no_identity() {
    let mut world = World::builder().start().await.expect("a world");
    let bed = Bed { client: world.control_plane.client().await.expect("a client") };
    let ecr = Given::new("ecr", "pull", "crash-*");
    let names = bed.namespaces("crash", 200).await;
    let syncer = bed.sync_as(client(&world.control_plane.kubeconfig()).await, crate::bed::US, &[&ecr]);
    ecr.publish("first");
    let before = bed.until_everywhere(&names, "pull", "first").await;
    let writes = syncer.summary().writes;
    ecr.publish("second");
    syncer.until(|summary| summary.writes > writes).await;
    world.control_plane.api_server().kill();
    syncer.until(|summary| summary.failing > 0).await;
    world.control_plane.restart_api_server().await.expect("the API server again");
    let after = bed.until_everywhere(&names, "pull", "second").await;
    assert_eq!(before, after, "no Secret was deleted and made anew");
    syncer.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn lists_that_fail_are_asked_for_less_and_less_often() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-listed", "listed-*");
    let (proxy, client) = bed.via_http().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    proxy.set(move |request| {
        if !request.uri.to_string().contains("pull-listed") {
            return Answer::Pass;
        }
        counter.fetch_add(1, Ordering::Relaxed);
        refusal(503, "etcd is away")
    });
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..=5).contains(&asked), "{asked} times in 6 s");
    drop(syncer);
}

#[tokio::test]
async fn cut_connections_amid_writes_cost_nothing() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-cut", "cut-*");
    let names = bed.namespaces("cut", 60).await;
    let (proxy, client) = bed.via(NEVER).await;
    proxy.set(Fault::Latency(Duration::from_millis(5)));
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("first");
    syncer.until(|summary| summary.writes > 0).await;
    proxy.cut();
    bed.until_everywhere(&names, "pull-cut", "first").await;
    // The watches are there again, too.
    bed.delete_secret("cut-0", "pull-cut").await;
    bed.until_everywhere(&names, "pull-cut", "first").await;
    syncer.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn what_happens_while_no_connection_can_be_made_is_made_up_for() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-offline", "offline-*");
    bed.namespaces("offline", 2).await;
    let (proxy, client) = bed.via(NEVER).await;
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("first");
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    proxy.set(Fault::Refuse);
    proxy.cut();
    until("the end of all connections", async || (proxy.open() == 0).then_some(())).await;
    bed.delete_secret("offline-0", "pull-offline").await;
    ecr.publish("second");
    syncer.until(|summary| summary.failing > 0).await;
    proxy.set(Fault::None);
    for name in ["offline-0", "offline-1"] {
        bed.until_secret(name, "pull-offline", |config| config.contains("second")).await;
    }
    syncer.until(|summary| summary.settled && summary.in_sync == 2 && summary.failing == 0).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn a_watch_that_fell_silent_for_ever_is_given_up() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-silent", "silent-*");
    bed.namespaces("silent", 1).await;
    let (proxy, client) = bed.via(Duration::from_secs(6)).await;
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("hunter2");
    syncer.until(|summary| summary.settled && summary.in_sync == 1).await;
    proxy.set(Fault::Blackhole);
    bed.delete_secret("silent-0", "pull-silent").await;
    bed.namespaces("silent-later", 1).await;
    // Both watches have lost news, and nobody will ever tell them.
    until("two silenced watches", async || (proxy.silenced() >= 2).then_some(())).await;
    proxy.set(Fault::None);
    for name in ["silent-0", "silent-later-0"] {
        bed.until_secret(name, "pull-silent", |config| config.contains("hunter2")).await;
    }
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn the_patience_that_the_api_server_asks_for_is_shown_to_it() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-patience", "patience-*");
    let names = bed.namespaces("patience", 20).await;
    let (proxy, client) = bed.via_http().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    // As API Priority and Fairness answers: plain text, and the time in the header.
    proxy.set(move |request| {
        if !is_write(request) {
            return Answer::Pass;
        }
        counter.fetch_add(1, Ordering::Relaxed);
        Answer::Instead { status: 429, retry_after: Some(4), body: "Too many requests, please try again later." }
    });
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    syncer.until_settled().await;
    ecr.publish("hunter2");
    until("a throttled write", async || (asked.load(Ordering::Relaxed) > 0).then_some(())).await;
    let start = SystemClock.now();
    until("the next write", async || (asked.load(Ordering::Relaxed) > 16).then_some(())).await;
    // Those in flight at once are all that asked; the next one came when the time was over.
    let waited = SystemClock.now().duration_since(start);
    assert!(waited > SignedDuration::from_secs(3), "it asked again after {waited}");
    assert_ne!(syncer.throttled(), 0);
    proxy.set(|_| Answer::Pass);
    bed.until_everywhere(&names, "pull-patience", "hunter2").await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn server_errors_are_survived_and_told() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-unavailable", "unavailable-*");
    let names = bed.namespaces("unavailable", 5).await;
    let (proxy, client) = bed.via_http().await;
    proxy.set(|_| refusal(503, "etcd is not there"));
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("hunter2");
    proxy.set(|request| match is_write(request) {
        true => refusal(503, "etcd is not there"),
        false => Answer::Pass,
    });
    syncer.until_problem("unavailable-0", "pull-unavailable", "etcd is not there").await;
    proxy.set(|_| Answer::Pass);
    bed.until_everywhere(&names, "pull-unavailable", "hunter2").await;
    syncer.until(|summary| summary.settled && summary.in_sync == names.len() && summary.problems.is_empty()).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}

#[tokio::test]
async fn one_namespace_that_cannot_be_written_to_holds_up_no_other() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-webhook", "webhook-*");
    let names = bed.namespaces("webhook", 5).await;
    let (proxy, client) = bed.via_http().await;
    proxy.set(|request| match is_write(request) && request.uri.path().contains("/webhook-2/") {
        true => refusal(500, "failed calling webhook"),
        false => Answer::Pass,
    });
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("hunter2");
    let others: Vec<_> = names.iter().filter(|name| *name != "webhook-2").cloned().collect();
    bed.until_everywhere(&others, "pull-webhook", "hunter2").await;
    syncer.until_problem("webhook-2", "pull-webhook", "failed calling webhook").await;
    syncer.until(|summary| summary.in_sync == 4 && summary.failing == 1).await;
    assert!(syncer.coverage.borrow().is_empty(), "not everywhere yet");
}

#[tokio::test]
async fn an_answer_that_comes_after_the_secrets_end_does_not_hide_the_end() {
    let bed = Bed::new().await;
    let ecr = Given::new("ecr", "pull-ghost", "ghost-*");
    bed.namespaces("ghost", 2).await;
    let (proxy, client) = bed.via_http().await;
    let mut held = false;
    proxy.set(move |request| {
        let first =
            is_write(request) && request.uri.path().contains("/ghost-0/") && !std::mem::replace(&mut held, true);
        if first { Answer::Hold } else { Answer::Pass }
    });
    let syncer = bed.sync_as(client, crate::bed::US, &[&ecr]);
    ecr.publish("hunter2");
    bed.until_secret("ghost-1", "pull-ghost", |config| config.contains("hunter2")).await;
    let first = bed.until_secret("ghost-0", "pull-ghost", |config| config.contains("hunter2")).await;
    bed.delete_secret("ghost-0", "pull-ghost").await;
    // Both ends come through one watch in their order, so when this one is restored the first end has been seen.
    bed.delete_secret("ghost-1", "pull-ghost").await;
    bed.until_secret("ghost-1", "pull-ghost", |config| config.contains("hunter2")).await;
    proxy.release();
    let second = bed.until_secret("ghost-0", "pull-ghost", |config| config.contains("hunter2")).await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert_eq!(dockerconfigjson(&first), dockerconfigjson(&second));
    syncer.until(|summary| summary.settled && summary.in_sync == 2).await;
    bed.assert_at_rest(syncer, &[&ecr]).await;
}
