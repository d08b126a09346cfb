//! Alive and ready, by the status alone.

use jiff::SignedDuration;
use pullmint::admin::health::{self, LATE_RENEWAL};
use pullmint::status::{Role, Status};

use crate::given::{NOW, ago, ahead, failing, healthy, refused, standby};

fn is_live(status: &Status) -> bool {
    health::brief(&health::live(status)) == "ok\n"
}

fn is_ready(status: &Status) -> bool {
    health::brief(&health::ready(status)) == "ok\n"
}

#[test]
fn a_loop_that_is_silent_for_longer_than_its_limit_is_told_by_name() {
    let mut status = healthy();
    status.loops[1].silent_seconds = status.loops[1].limit_seconds;
    assert!(is_live(&status), "at its limit it is in time");
    status.loops[1].silent_seconds += 1;
    assert_eq!(health::brief(&health::live(&status)), "loop syncer: silent for 61 s, longer than 60 s\n");
}

#[test]
fn a_leader_that_lets_a_renewal_pass_is_not_alive_but_a_standby_has_none_to_let_pass() {
    let late = SignedDuration::try_from(LATE_RENEWAL).expect("a span");
    let mut status = healthy();
    status.registries[2].next_renewal_at = Some(NOW - late);
    assert!(is_live(&status));
    status.registries[2].next_renewal_at = Some(NOW - late - SignedDuration::from_secs(1));
    assert_eq!(health::brief(&health::live(&status)), "renewal ecr: due 121 s ago, and nothing came of it\n");
    status.leadership.role = Role::Standby;
    assert!(is_live(&status));
}

#[test]
fn what_no_restart_can_mend_is_no_reason_for_one() {
    let mut status = failing();
    status.loops[2].silent_seconds = 0;
    status.loops[2].problem = Some(refused());
    assert!(
        is_live(&status),
        "clouds and API server say no, credentials are dead, files are wrong; pullmint lives and tells"
    );
    assert!(is_ready(&status));
}

#[test]
fn a_leader_is_ready_after_its_first_pass_and_a_standby_once_it_sees_everything() {
    let mut status = healthy();
    assert!(is_ready(&status));
    (status.first_pass_at, status.queued) = (None, 7);
    assert_eq!(
        health::brief(&health::ready(&status)),
        "first pass: the first pass is not over, 7 objects are still to be looked at\n"
    );
    status.stood_ready = true;
    assert!(is_ready(&status), "who takes over stays ready");
    let mut status = standby();
    assert!(is_ready(&status));
    status.watches_listed = false;
    assert!(!is_ready(&status));
}

#[test]
fn a_clock_that_was_set_makes_nothing_late() {
    let mut status = healthy();
    status.loops[0].last_beat_at = ahead(90);
    assert!(is_live(&status));
    status.loops[0].last_beat_at = ago(90);
    assert!(is_live(&status));
}

#[test]
fn verbose_is_written_as_kubernetes_writes_it() {
    let status = failing();
    let text = health::verbose("livez", &health::live(&status));
    assert_eq!(
        text,
        "[+]loop elector ok\n\
         [+]loop syncer ok\n\
         [-]loop watch namespaces failed: silent for 420 s, longer than 60 s\n\
         [+]renewal acr ok\n\
         [+]renewal docker-hub ok\n\
         [+]renewal ecr ok\n\
         [+]renewal ecr-public ok\n\
         livez check failed\n"
    );
    assert!(health::verbose("readyz", &health::ready(&status)).ends_with("readyz check passed\n"));
}
