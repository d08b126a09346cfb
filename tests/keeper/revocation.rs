//! When a replaced token goes: only after nobody can need it any more.

use std::time::Duration;

use pullmint::credential::TokenHandle;
use pullmint::keeper::deletion::bury;
use pullmint::keeper::slot::Coverage;
use pullmint::registry::RegistryName;

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
async fn a_clock_that_is_set_back_puts_no_deletion_off_for_hours() {
    let bench = replaced().await;
    bench.cover();
    tokio::time::sleep(SECOND).await;
    bench.clock.set_back(HOUR * 6);
    tokio::time::sleep(MINUTE * 10 + SECOND * 2).await;
    assert_eq!(bench.issuer.revoked(), ["token-1"]);
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

#[tokio::test(start_paused = true)]
async fn a_token_that_is_another_logins_is_given_up() {
    let bench = replaced().await;
    bench.issuer.disowns_tokens();
    bench.cover();
    tokio::time::sleep(MINUTE * 5 + SECOND).await;
    assert!(bench.slot().retired.is_empty() && bench.issuer.revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_came_after_its_keepers_end_is_deleted() {
    let bench = replaced().await;
    bench.issuer.answers_late(SECOND * 10);
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(bench.issuer.attempts().len(), 3);
    let left = bench.slot();
    let next = bench.succeeded_by(left, Coverage::new());
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(next.issuer.revoked(), ["token-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_keeper_ended_while_the_registry_was_asked_is_deleted() {
    let bench = replaced().await;
    bench.issuer.registry_hangs();
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND * 2).await;
    let left = bench.slot();
    let next = bench.succeeded_by(left, Coverage::new());
    tokio::time::sleep(SECOND).await;
    assert_eq!(next.issuer.revoked(), ["token-3"]);
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_registry_that_is_gone_are_deleted_when_no_pull_can_carry_them_any_more() {
    let bench = Bench::start();
    let tokens = ["in-force", "replaced"].map(|id| TokenHandle(id.to_owned())).to_vec();
    let (provider, clock) = bench.issuer.parts();
    tokio::spawn(bury(RegistryName::new("hub"), provider, tokens, clock));
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert!(bench.issuer.revoked().is_empty());
    bench.issuer.keeps_tokens(true);
    tokio::time::sleep(MINUTE * 2).await;
    bench.issuer.keeps_tokens(false);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.issuer.revoked(), ["in-force", "replaced"]);
}
