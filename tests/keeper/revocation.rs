//! When a replaced token goes: only after nobody can need it any more.

use std::time::Duration;

use pullmint::keeper::slot::Coverage;

use crate::issuer::{Bench, LIFE};
use crate::{HOUR, MINUTE, SECOND};

/// A keeper whose first token has just been replaced by a second.
async fn replaced() -> Bench {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    bench.cover();
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.slot().retired.len(), 1);
    bench
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_deleted_five_minutes_after_every_secret_holds_its_successor() {
    let bench = replaced().await;
    tokio::time::sleep(HOUR).await;
    assert!(bench.issuer.revoked().is_empty(), "some Secret may still hold it");
    bench.cover();
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert!(bench.issuer.revoked().is_empty(), "a pull may still carry it");
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(bench.issuer.revoked(), ["token-1"]);
    assert!(bench.slot().retired.is_empty());
    tokio::time::sleep(LIFE / 4).await;
    assert_eq!(bench.issuer.revoked(), ["token-1"], "and the one in force stays");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_deleted_is_tried_again_without_haste() {
    let bench = replaced().await;
    bench.issuer.keeps_tokens(true);
    bench.cover();
    tokio::time::sleep(MINUTE * 8).await;
    assert_eq!(bench.slot().retired.len(), 1);
    bench.issuer.keeps_tokens(false);
    tokio::time::sleep(MINUTE + SECOND).await;
    assert_eq!(bench.issuer.revoked(), ["token-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_outlives_the_process_and_is_deleted_by_the_next_one() {
    let bench = replaced().await;
    let left = bench.slot();
    let next = bench.succeeded_by(left, Coverage::new());
    next.cover();
    tokio::time::sleep(MINUTE * 5 + SECOND).await;
    assert_eq!(next.issuer.revoked(), ["token-1"]);
}

#[tokio::test(start_paused = true)]
async fn secrets_that_still_hold_an_older_token_keep_all_later_ones_alive() {
    let bench = replaced().await;
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.slot().retired.len(), 2);
    bench.cover();
    tokio::time::sleep(MINUTE * 5 + SECOND * 2).await;
    assert_eq!(bench.issuer.revoked(), ["token-1", "token-2"]);
}
