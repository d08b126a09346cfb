//! The keeper's laws of time, with an issuer of the test's own and a clock that runs as fast as the test.

#[path = "keeper/issuer.rs"]
mod issuer;
#[path = "keeper/revocation.rs"]
mod revocation;

use std::sync::Arc;
use std::time::Duration;

use issuer::{Answer, Bench, LIFE, START};
use jiff::Timestamp;
use pullmint::keeper::schedule;
use pullmint::keeper::slot::{Coverage, Minted, Verification};
use pullmint::provider::{PullLimit, Reason};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn seconds_between(attempts: &[Timestamp]) -> Vec<f64> {
    attempts.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_renewed_at_half_of_its_life_day_after_day() {
    let bench = Bench::start();
    tokio::time::sleep(HOUR * 24 * 7).await;
    let gaps = seconds_between(&bench.issuer.attempts());
    let half = LIFE.as_secs_f64() / 2.0;
    assert!(gaps.iter().all(|gap| (half * 0.9 - 1.0..=half + 1.0).contains(gap)), "{gaps:?}");
    assert!((28..=32).contains(&gaps.len()), "{} renewals in a week", gaps.len());
}

#[tokio::test(start_paused = true)]
async fn retries_come_ever_more_densely_towards_expiry_and_the_last_good_credential_stays() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    let good = bench.current().expect("a credential");
    bench.issuer.answers(Answer::Fails(Reason::Unexpected, None));
    tokio::time::sleep(LIFE - MINUTE).await;

    let attempts = bench.issuer.attempts();
    let late: Vec<_> = attempts.iter().filter(|at| at.duration_since(START).as_secs() > 0).copied().collect();
    let gaps = seconds_between(&late);
    assert!(gaps.iter().all(|gap| *gap <= 301.0), "never more than the kubelet's back-off apart: {gaps:?}");
    let left = |at: &Timestamp| (START + LIFE).duration_since(*at).as_secs();
    let last: Vec<_> = late.iter().filter(|at| (0..60).contains(&left(at))).collect();
    assert!(last.len() >= 5, "{} attempts in the last minute", last.len());
    assert!(late.len() < 500, "{} attempts in half a life", late.len());
    let slot = bench.slot();
    assert_eq!(slot.current.expect("it is still there").minted_at, good.minted_at);
    let failure = slot.failure.expect("a failure");
    assert_eq!((failure.reason, failure.consecutive as usize), (Reason::Unexpected, late.len()));

    bench.issuer.answers(Answer::Mints(LIFE));
    tokio::time::sleep(MINUTE * 5).await;
    assert!(bench.slot().failure.is_none() && bench.current().expect("a new one").minted_at > good.minted_at);
}

#[tokio::test(start_paused = true)]
async fn a_cause_that_only_a_person_can_end_is_retried_slowly() {
    for reason in [Reason::Denied, Reason::Misconfigured] {
        let bench = Bench::with(Answer::Fails(reason, None));
        tokio::time::sleep(HOUR).await;
        let gaps = seconds_between(&bench.issuer.attempts());
        assert!(gaps.iter().all(|gap| (20.0..=901.0).contains(gap)), "{reason:?}: {gaps:?}");
        assert!(gaps.len() >= 3, "{reason:?}: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_asks_for_patience_gets_it() {
    let bench = Bench::with(Answer::Fails(Reason::Throttled, Some(MINUTE * 7)));
    tokio::time::sleep(HOUR).await;
    let gaps = seconds_between(&bench.issuer.attempts());
    assert!(gaps.len() >= 5 && gaps.iter().all(|gap| *gap >= 420.0), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_is_given_up_and_asked_again() {
    let bench = Bench::with(Answer::Hangs);
    tokio::time::sleep(MINUTE).await;
    let failure = bench.slot().failure.expect("a failure");
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(failure.message.contains("no answer within 45 s") && failure.remedy.contains("egress"), "{failure:?}");
    bench.issuer.answers(Answer::Mints(LIFE));
    tokio::time::sleep(MINUTE).await;
    assert!(bench.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_dead_when_it_comes_is_not_published_and_makes_no_hot_loop() {
    let bench = Bench::with(Answer::Mints(Duration::ZERO));
    tokio::time::sleep(HOUR).await;
    assert!(bench.current().is_none());
    assert_eq!(bench.slot().failure.expect("a failure").reason, Reason::Unexpected);
    let attempts = bench.issuer.attempts().len();
    assert!((10..100).contains(&attempts), "{attempts} attempts in an hour");

    let bench = Bench::with(Answer::Mints(SECOND));
    tokio::time::sleep(MINUTE).await;
    let attempts = bench.issuer.attempts().len();
    assert!(attempts <= 61, "{attempts} mints in a minute, of credentials that live for a second");
}

#[tokio::test(start_paused = true)]
async fn a_nudge_means_renew_now_and_several_are_one() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    let first = bench.current().expect("a credential");
    bench.renew_now.notify_one();
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.issuer.attempts().len(), 2);
    assert!(bench.current().expect("a credential").minted_at > first.minted_at);
    tokio::time::sleep(LIFE).await;
    let attempts = bench.issuer.attempts().len();
    assert!((3..=5).contains(&attempts), "the expiry goes on to rule: {attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_the_registry_refuses_is_deleted_and_the_old_one_stays_in_force() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    let good = bench.current().expect("a credential");
    bench.issuer.registry_says(Some(Reason::Denied));
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.current().expect("the old one").minted_at, good.minted_at);
    assert_eq!(bench.slot().failure.expect("a failure").reason, Reason::Denied);
    assert_eq!(bench.issuer.revoked(), ["token-2"], "an unused token fills no quota");

    bench.issuer.registry_says(None);
    tokio::time::sleep(HOUR).await;
    assert!(bench.current().expect("a new one").minted_at > good.minted_at);
    assert!(bench.slot().failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_better_than_none_or_a_dead_one() {
    let bench = Bench::with(Answer::Mints(LIFE));
    bench.issuer.registry_says(Some(Reason::Denied));
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.current().expect("there is no better one").verification, Verification::Refused);
    assert_eq!(bench.slot().failure.expect("it is told").reason, Reason::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_registry_without_a_verdict_leaves_a_doubt_and_one_that_hangs_too() {
    let bench = Bench::with(Answer::Mints(LIFE));
    bench.issuer.registry_says(Some(Reason::Unreachable));
    tokio::time::sleep(SECOND).await;
    assert!(matches!(bench.current().expect("published").verification, Verification::Doubtful(_)));

    let bench = Bench::with(Answer::Mints(LIFE));
    bench.issuer.registry_hangs();
    tokio::time::sleep(SECOND * 21).await;
    let Verification::Doubtful(why) = bench.current().expect("published").verification.clone() else {
        panic!("a doubt");
    };
    assert!(why.contains("no answer within 20 s"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_others_write_is_read_every_ten_seconds_and_only_news_are_published() {
    let bench = Bench::with(Answer::Reads("first"));
    tokio::time::sleep(MINUTE).await;
    let first = bench.current().expect("a credential");
    let read = bench.issuer.attempts().len();
    assert!((6..=8).contains(&read), "read {read} times in a minute");
    bench.issuer.answers(Answer::Reads("second"));
    tokio::time::sleep(SECOND * 11).await;
    let second = bench.current().expect("a credential");
    assert!(second.minted_at > first.minted_at);
    tokio::time::sleep(HOUR).await;
    assert_eq!(bench.current().expect("a credential").minted_at, second.minted_at, "what is the same is no news");
    assert_eq!(bench.slot().attempts.len(), 2, "to find it as it was is no renewal");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_goes_on_from_what_an_earlier_process_left() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    let left = bench.slot();
    let next = bench.succeeded_by(left, Coverage::new());
    tokio::time::sleep(LIFE / 3).await;
    assert_eq!(next.issuer.attempts().len(), 1, "what is fresh is not minted again");
    tokio::time::sleep(LIFE / 3).await;
    assert_eq!(next.issuer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_puts_no_renewal_off() {
    let bench = Bench::with(Answer::Fails(Reason::Misconfigured, None));
    tokio::time::sleep(SECOND).await;
    bench.issuer.answers(Answer::Mints(LIFE));
    bench.clock.set_back(HOUR * 2);
    tokio::time::sleep(MINUTE * 3).await;
    assert!(bench.current().is_some(), "it has waited for its time to come once more");
    bench.clock.set_back(HOUR * 2);
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND * 31).await;
    assert_eq!(bench.issuer.attempts().len(), 3, "what was told is done");
}

#[tokio::test(start_paused = true)]
async fn a_schedules_next_tick_is_the_next_renewal_where_it_comes_first_and_stays_due_until_it_is_obeyed() {
    // START is at 08:00.
    let bench = Bench::scheduled(Answer::Mints(LIFE), Some("0 30 8,20 * * *"));
    tokio::time::sleep(SECOND).await;
    let tick = START + MINUTE * 30;
    assert_eq!(bench.slot().next_attempt, Some(tick));
    tokio::time::sleep(MINUTE * 30).await;
    assert_eq!(bench.slot().next_attempt, Some(tick), "nobody has ticked");
    bench.renew_now.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.issuer.attempts().len(), 2);
    let next = bench.slot().next_attempt.expect("a plan");
    assert!(next > tick && next <= START + MINUTE * 31 + LIFE / 2, "at half of its life: {next}");
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_nobody_brings_is_made_good() {
    let bench = Bench::scheduled(Answer::Mints(LIFE), Some("0 30 8,20 * * *"));
    tokio::time::sleep(MINUTE * 30 + schedule::MISSED).await;
    assert_eq!(bench.issuer.attempts().len(), 1);
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.issuer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_settings_ask_for_another_credential_at_once_and_the_old_one_serves_until_it_is_there() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    let old = bench.current().expect("a credential");
    bench.issuer.answers(Answer::Fails(Reason::Misconfigured, None));
    let mut left = bench.slot();
    left.supersede();
    let bench = bench.succeeded_by(left, Coverage::new());
    tokio::time::sleep(MINUTE).await;
    assert!(bench.issuer.attempts().len() >= 2 && bench.slot().failure.is_some());
    assert_eq!(bench.current().expect("the old one").minted_at, old.minted_at);

    bench.issuer.answers(Answer::Mints(LIFE));
    tokio::time::sleep(MINUTE * 15).await;
    let slot = bench.slot();
    assert!(slot.current.expect("a new one").minted_at > old.minted_at && slot.failure.is_none() && !slot.superseded);
    assert_eq!(slot.retired.len(), 1, "the old token is to be deleted");
}

#[tokio::test(start_paused = true)]
async fn a_pull_limit_outlives_a_question_without_answer_and_goes_when_there_is_none_any_more() {
    let limit = PullLimit { limit: 200, remaining: 3, window: HOUR * 6 };
    let bench = Bench::start();
    bench.issuer.tells_limit(Ok(Some(limit)));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.slot().pull_limit.map(|(limit, _)| limit), Some(limit));
    bench.issuer.tells_limit(Err(Reason::Throttled));
    tokio::time::sleep(MINUTE * 30).await;
    assert_eq!(bench.slot().pull_limit.map(|(limit, _)| limit), Some(limit));
    bench.issuer.tells_limit(Ok(None));
    tokio::time::sleep(MINUTE * 11).await;
    assert_eq!(bench.slot().pull_limit, None);
    let asked = bench.issuer.limit_asked();
    bench.issuer.tells_limit(Ok(Some(limit)));
    tokio::time::sleep(HOUR * 5).await;
    assert_eq!(bench.issuer.limit_asked(), asked, "who knows no limit is left in peace");
    tokio::time::sleep(HOUR * 2).await;
    assert_eq!(bench.slot().pull_limit.map(|(limit, _)| limit), Some(limit));
}

/// A keeper told to verify, and what an earlier one has left that was told not to.
fn untried(bench: Bench) -> Bench {
    let mut left = bench.slot();
    let current = left.current.as_deref().expect("a credential").clone();
    left.current = Some(Arc::new(Minted { verification: Verification::Skipped, verified_at: None, ..current }));
    bench.succeeded_by(left, Coverage::new())
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_was_not_to_be_tried_is_tried_once_it_is_to_be() {
    for answer in [Answer::Mints(LIFE), Answer::Reads("a file")] {
        let bench = Bench::with(answer);
        tokio::time::sleep(SECOND).await;
        let published = bench.current().expect("a credential").minted_at;
        let next = untried(bench);
        tokio::time::sleep(SECOND).await;
        let current = next.current().expect("a credential");
        assert_eq!((&current.verification, current.minted_at), (&Verification::Accepted, published), "{answer:?}");
        assert!(current.verified_at.is_some() && next.slot().failure.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_pass_then_is_a_failure_and_is_replaced() {
    let bench = Bench::start();
    tokio::time::sleep(MINUTE).await;
    bench.issuer.registry_says(Some(Reason::Denied));
    let next = untried(bench);
    tokio::time::sleep(SECOND).await;
    assert_eq!(next.current().expect("it stays while there is no better one").verification, Verification::Refused);
    assert_eq!(next.slot().failure.expect("it is told").reason, Reason::Denied);
    next.issuer.registry_says(None);
    tokio::time::sleep(MINUTE * 16).await;
    assert_eq!(next.current().expect("another one").verification, Verification::Accepted);
    assert!(next.slot().failure.is_none());
}
