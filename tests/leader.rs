//! The election against a real API server: who leads, and when another does.

#[path = "leader/bed.rs"]
mod bed;
#[path = "leader/faults.rs"]
mod faults;
#[path = "leader/rights.rs"]
mod rights;

use std::sync::Arc;
use std::time::Duration;

use bed::{Bed, TIMING, until};
use futures::future::join_all;
use pullmint::clock::SystemClock;
use pullmint::leader::Timing;

#[tokio::test]
async fn of_two_one_leads_and_the_other_knows_its_name() {
    let bed = Bed::new("pair").await;
    let first = bed.elect("first");
    first.until_leading().await;
    let second = bed.elect("second");
    second.until_standby_of("first").await;
    assert!(first.mandate.holds() && !second.mandate.holds());
}

#[tokio::test]
async fn of_many_that_begin_together_exactly_one_leads() {
    let bed = Bed::new("crowd").await;
    let all: Vec<_> = (0..8).map(|number| bed.elect(&format!("number-{number}"))).collect();
    until("a leader", async || all.iter().any(|one| one.mandate.holds()).then_some(())).await;
    let told = join_all(all.iter().map(|one| one.until_told())).await;
    assert_eq!(told.iter().filter(|leads| **leads).count(), 1);
    assert_eq!(bed.lease().await.lease_transitions, Some(1), "one write won, and the others were refused");
}

#[tokio::test]
async fn a_leader_that_lives_keeps_the_lease() {
    let bed = Bed::new("steady").await;
    let (first, second) = (bed.elect("first"), bed.elect("second"));
    let (leader, _) = bed::one_leads(&first, &second).await;
    let since = leader.leadership();
    tokio::time::sleep(TIMING.lease * 2).await;
    assert_eq!(leader.leadership(), since);
    assert_eq!(bed.lease().await.lease_transitions, Some(1));
}

#[tokio::test]
async fn a_dead_leader_is_replaced_within_the_leases_length() {
    let bed = Bed::new("heirs").await;
    let (first, second) = (bed.elect("first"), bed.elect("second"));
    let (leader, heir) = bed::one_leads(&first, &second).await;
    leader.kill();
    let took = heir.until_leading().await;
    assert!(took <= TIMING.lease + Duration::from_secs(5), "it took {took:?}");
    assert!(took >= TIMING.lease - TIMING.retry * 2, "the dead one was trusted for its lease, not for {took:?}");
}

#[tokio::test]
async fn a_clean_stop_hands_over_at_once() {
    let bed = Bed::new("handover").await;
    // Whoever did not watch would take two of these.
    let timing = Timing::default();
    let elect = |name| bed.elect_at(timing, bed.client.clone(), name, Arc::new(SystemClock));
    let (first, second) = (elect("first"), elect("second"));
    let (leader, heir) = bed::one_leads(&first, &second).await;
    leader.stop.cancel();
    let took = heir.until_leading().await;
    assert!(took < timing.retry, "it took {took:?}");
    assert!(!leader.mandate.holds());
}

#[tokio::test]
async fn the_last_to_stop_leaves_the_lease_to_nobody() {
    let bed = Bed::new("last").await;
    let only = bed.elect("only");
    only.until_leading().await;
    only.stop.cancel();
    bed.until_lease_is_nobodys().await;
}

#[tokio::test]
async fn one_that_starts_anew_under_its_old_name_does_not_take_its_predecessors_lease_for_its_own() {
    let bed = Bed::new("namesake").await;
    let first = bed.elect("same");
    first.until_leading().await;
    let second = bed.elect("same");
    second.until_standby_of("same").await;
    assert!(first.mandate.holds());
}

#[tokio::test]
async fn a_foreign_edit_of_the_lease_does_not_end_the_leader() {
    let bed = Bed::new("edited").await;
    let only = bed.elect("only");
    only.until_leading().await;
    let since = only.leadership();
    bed.annotate().await;
    tokio::time::sleep(TIMING.deadline).await;
    assert!(only.mandate.holds());
    assert_eq!(only.leadership(), since);
}
