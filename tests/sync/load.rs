//! How much the syncer asks of an API server that has trouble.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ObjectMeta, PostParams};
use pullmint::clock::{Clock, SystemClock};
use world::{Answer, HttpProxy};

use crate::bed::{Bed, US, until};
use crate::given::Given;

/// Longer than the API server takes for a write by its own objective.
const TOO_LONG: Duration = Duration::from_millis(1100);

/// When writes began, those that were not turned away.
type Begun = Arc<Mutex<Vec<Duration>>>;

/// How writes are turned away: a status, and the patience asked for.
type Refusal = (u16, Option<u32>);

/// The API server has lost its store.
const OUT_OF_ORDER: Refusal = (503, None);

/// API Priority and Fairness has no seat left.
const TOO_MANY: Refusal = (429, Some(1));

/// Turns so many writes away, and has the others take so long.
fn burden(proxy: &HttpProxy, mut turned_away: usize, refusal: Refusal, each_takes: Duration) -> Begun {
    let begun = Begun::default();
    let noted = Arc::clone(&begun);
    proxy.set(move |request| {
        if request.method != "PATCH" && request.method != "DELETE" {
            return Answer::Pass;
        }
        if turned_away > 0 {
            turned_away -= 1;
            let (status, retry_after) = refusal;
            return Answer::Instead { status, retry_after, body: "not now" };
        }
        noted.lock().expect("no panic").push(SystemClock.uptime());
        Answer::Delay(each_takes)
    });
    begun
}

/// How many writes were in flight at once when the first began, and then one round later, and so on.
fn rounds(begun: &Begun, each_takes: Duration) -> Vec<usize> {
    let begun = begun.lock().expect("no panic");
    let mut rounds = Vec::new();
    let mut rest = begun.as_slice();
    while let Some(first) = rest.first() {
        let round = rest.iter().take_while(|at| **at < *first + each_takes).count();
        rounds.push(round);
        rest = &rest[round..];
    }
    rounds
}

/// Waits for a whole round that was much smaller than the first.
async fn until_few_are_in_flight(what: &str, begun: &Begun) {
    let few = async || (rounds(begun, TOO_LONG).iter().rev().nth(1)? <= &9).then_some(());
    until(&format!("fewer {what} in flight"), few).await;
    let rounds = rounds(begun, TOO_LONG);
    assert!(rounds[0] > 9, "{what}: {rounds:?}");
}

async fn writes(bed: &Bed) {
    let ecr = Given::new("ecr", "pull-slow", "slow-w-*");
    bed.namespaces("slow-w", 60).await;
    let (proxy, client) = bed.via_http().await;
    let begun = burden(&proxy, 0, OUT_OF_ORDER, TOO_LONG);
    let _syncer = bed.sync_as(client, US, &[&ecr]);
    ecr.publish("hunter2");
    until_few_are_in_flight("writes", &begun).await;
}

async fn deletes(bed: &Bed) {
    let ecr = Given::new("ecr", "pull-slow-gone", "slow-d-*");
    ecr.publish("hunter2");
    let names = bed.namespaces("slow-d", 60).await;
    let (proxy, client) = bed.via_http().await;
    let syncer = bed.sync_as(client, US, &[&ecr]);
    syncer.until(|summary| summary.settled && summary.in_sync == names.len()).await;
    let begun = burden(&proxy, 0, OUT_OF_ORDER, TOO_LONG);
    syncer.assign(&[]);
    until_few_are_in_flight("deletes", &begun).await;
}

async fn patches(bed: &Bed) {
    let ecr = Given::new("ecr", "pull-slow-sa", "slow-p-*").accounts(&["slow-sa"]);
    for name in bed.namespaces("slow-p", 60).await {
        let metadata = ObjectMeta { name: Some("slow-sa".to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        let accounts = Api::<ServiceAccount>::namespaced(bed.client.clone(), &name);
        accounts.create(&PostParams::default(), &account).await.expect("a ServiceAccount");
    }
    let (proxy, client) = bed.via_http().await;
    // Without a credential there are accounts to patch, and nothing else.
    let begun = burden(&proxy, 0, OUT_OF_ORDER, TOO_LONG);
    let _syncer = bed.sync_as(client, US, &[&ecr]);
    until_few_are_in_flight("patches", &begun).await;
}

#[tokio::test]
async fn an_api_server_that_takes_its_time_gets_fewer_writes_patches_and_deletes_at_once() {
    let bed = Bed::new().await;
    tokio::join!(writes(&bed), deletes(&bed), patches(&bed));
}

async fn turned_away(bed: &Bed, secret: &str, prefix: &str, refusal: Refusal) {
    let ecr = Given::new("ecr", secret, &format!("{prefix}-*"));
    bed.namespaces(prefix, 40).await;
    let (proxy, client) = bed.via_http().await;
    let each_takes = Duration::from_millis(300);
    let begun = burden(&proxy, 16, refusal, each_takes);
    let syncer = bed.sync_as(client, US, &[&ecr]);
    ecr.publish("hunter2");
    syncer.until(|summary| summary.settled && summary.in_sync == 40).await;
    let first = rounds(&begun, each_takes)[0];
    assert!(first <= 8, "{refusal:?}: {first} at once");
}

#[tokio::test]
async fn an_api_server_that_cannot_serve_or_asks_for_patience_gets_half_as_many_writes_at_once() {
    let bed = Bed::new().await;
    tokio::join!(
        turned_away(&bed, "pull-down", "down", OUT_OF_ORDER),
        turned_away(&bed, "pull-crowded", "crowded", TOO_MANY),
    );
}
