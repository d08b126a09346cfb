//! What is kept of failed pulls, and which of them are due to be looked into: pure, with the time as an input.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::pulls::sight::Seen;
use crate::pulls::table::{Diagnosis, Failure, Failures, Owner, Pod};
use crate::why::catalogue::Code;
use crate::why::finding::Finding;
use crate::why::message;
use crate::why::pods::Wish;
use crate::why::reference::Reference;

/// What comes within this time is looked into together.
const GATHER: Duration = Duration::from_secs(2);
/// What was looked into is looked into again after this time, for the cause may be another by then.
const AGAIN: Duration = Duration::from_secs(300);
/// So long a renewed credential takes to every namespace.
const ARRIVAL: Duration = Duration::from_secs(5);
/// What could not be looked into is tried again after this time.
const RETRY: Duration = Duration::from_secs(60);
/// Failures that are kept; of further ones only the number is.
const MOST: usize = 5000;
/// Failures that are looked into at a time.
const AT_A_TIME: usize = 200;

/// A container of a pod, by the pod's UID.
pub(super) type Key = (String, String);

/// All failures that are known.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Key, Entry>,
    /// The UIDs of failing pods for which there is no room.
    beyond: BTreeSet<String>,
    /// The UIDs that a list has shown that is not complete yet.
    listed: Option<BTreeSet<String>>,
}

#[derive(Debug)]
struct Entry {
    pod: Pod,
    owner: Option<Owner>,
    has_run: bool,
    wish: Wish,
    /// What kind of complaint it is, as far as the kubelet's words tell.
    heard: Option<Code>,
    since: Timestamp,
    diagnosis: Option<Diagnosis>,
    /// When to look into it.
    due: Timestamp,
}

impl Ledger {
    /// A list of all pods begins.
    pub(super) fn begin_list(&mut self) {
        self.listed = Some(BTreeSet::new());
    }

    /// The list is complete: what it has not shown is gone.
    pub(super) fn finish_list(&mut self) {
        if let Some(listed) = self.listed.take() {
            self.entries.retain(|(uid, _), _| listed.contains(uid));
            self.beyond.retain(|uid| listed.contains(uid));
        }
    }

    /// A pod is as it was seen now.
    pub(super) fn see(&mut self, seen: Seen, now: Timestamp) {
        let uid = &seen.pod.uid;
        if let Some(listed) = &mut self.listed {
            listed.insert(uid.clone());
        }
        let stays = |container: &String| seen.failing.iter().any(|wish| wish.subject.container == *container);
        self.retain(uid, stays);
        self.beyond.remove(uid);
        for wish in seen.failing {
            let key = (uid.clone(), wish.subject.container.clone());
            let heard = heard(&wish);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.has_run = seen.has_run;
                entry.change(wish, heard, now);
            } else if self.entries.len() < MOST {
                let (pod, owner, has_run) = (seen.pod.clone(), seen.owner.clone(), seen.has_run);
                let due = now + GATHER;
                let entry = Entry { pod, owner, has_run, wish, heard, since: now, diagnosis: None, due };
                self.entries.insert(key, entry);
            } else {
                self.beyond.insert(uid.clone());
            }
        }
    }

    /// A pod is not Pending any more, or is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.retain(uid, |_| false);
        self.beyond.remove(uid);
    }

    /// A credential was renewed, or the settings changed: which may have mended anything.
    pub(super) fn look_again(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            entry.due = entry.due.min(now + ARRIVAL);
        }
    }

    /// Those that are to be looked into now; they are due again when an outcome would be old.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Wish> {
        for entry in self.entries.values_mut() {
            // A clock that was set back puts nothing off.
            entry.due = entry.due.min(now + AGAIN);
        }
        let due = self.entries.values_mut().filter(|entry| entry.due <= now);
        let take = |entry: &mut Entry| {
            entry.due = now + AGAIN;
            entry.wish.clone()
        };
        due.take(AT_A_TIME).map(take).collect()
    }

    /// What was found out, at this time.
    pub(super) fn found(&mut self, key: &Key, finding: Finding, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let finding = Arc::new(finding);
        let cause = match finding.code {
            Code::MENDED => entry.diagnosis.take().and_then(|before| before.cause),
            _ => Some(Arc::clone(&finding)),
        };
        entry.diagnosis = Some(Diagnosis { finding, cause, at });
    }

    /// These could not be looked into.
    pub(super) fn put_back<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>, now: Timestamp) {
        for key in keys {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.due = entry.due.min(now + RETRY);
            }
        }
    }

    /// What others may know of it.
    pub(super) fn failures(&self) -> Failures {
        let explained: Vec<_> = self.entries.values().filter_map(Entry::failure).map(Arc::new).collect();
        let unexplained = self.entries.len() - explained.len() + self.beyond.len();
        Failures { explained, unexplained }
    }

    fn retain(&mut self, uid: &str, stays: impl Fn(&String) -> bool) {
        let of_pod = self.entries.range((uid.to_owned(), String::new())..).take_while(|((other, _), _)| other == uid);
        let gone: Vec<_> = of_pod.filter(|((_, container), _)| !stays(container)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.entries.remove(&key);
        }
    }
}

impl Entry {
    /// The kubelet's words change at each attempt. Only another kind of complaint, or another image, is news.
    fn change(&mut self, wish: Wish, heard: Option<Code>, now: Timestamp) {
        let is_new = wish.image != self.wish.image || (heard.is_some() && heard != self.heard);
        if is_new {
            self.due = self.due.min(now + GATHER);
        }
        self.heard = heard.or(self.heard);
        // "Back-off pulling image" alone says less than what was there.
        if heard.is_some() || self.heard.is_none() || is_new {
            self.wish = wish;
        }
    }

    fn failure(&self) -> Option<Failure> {
        Some(Failure {
            diagnosis: self.diagnosis.clone()?,
            pod: self.pod.clone(),
            owner: self.owner.clone(),
            container: self.wish.subject.container.clone(),
            image: self.wish.image.clone(),
            pull_secrets: self.wish.pull_secrets.clone(),
            has_run: self.has_run,
            since: self.since,
        })
    }
}

fn heard(wish: &Wish) -> Option<Code> {
    let image = Reference::parse(&wish.image).ok()?;
    message::heard(&wish.complaint.as_ref()?.message, &image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::case::{Complaint, ContainerKind, Subject};
    use crate::why::finding::Certainty;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const NOT_FOUND: &str = "registry.example.com/app:1: not found";

    fn after(seconds: u64) -> Timestamp {
        NOON + Duration::from_secs(seconds)
    }

    fn seen(uid: &str, messages: &[&str]) -> Seen {
        let pod = Pod { namespace: "shop".into(), name: uid.into(), uid: uid.into() };
        let wish = |(number, message): (usize, &&str)| Wish {
            subject: Subject {
                namespace: "shop".into(),
                pod: uid.into(),
                container: number.to_string(),
                kind: ContainerKind::Container,
                controller: None,
                node: Some("node".into()),
            },
            image: "registry.example.com/app:1".into(),
            complaint: Some(Complaint { reason: "ErrImagePull".into(), message: (*message).into(), attempts: None }),
            uid: uid.into(),
            pull_secrets: Vec::new(),
            account: "default".into(),
            is_planned: false,
        };
        Seen { pod, owner: None, has_run: false, failing: messages.iter().enumerate().map(wish).collect() }
    }

    fn finding(code: Code) -> Finding {
        Finding::new(code, Certainty::Certain, "so it is")
    }

    fn key(uid: &str) -> Key {
        (uid.into(), "0".into())
    }

    /// With one failure, looked into at two seconds past noon.
    fn explained(code: Code) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.see(seen("a", &[NOT_FOUND]), NOON);
        assert_eq!(ledger.take_due(after(2)).len(), 1);
        ledger.found(&key("a"), finding(code), after(2));
        ledger
    }

    #[test]
    fn what_comes_within_two_seconds_is_looked_into_together_and_once() {
        let mut ledger = Ledger::default();
        ledger.see(seen("a", &[NOT_FOUND, NOT_FOUND]), NOON);
        assert!(ledger.take_due(after(1)).is_empty());
        assert_eq!(ledger.take_due(after(2)).len(), 2);
        assert!(ledger.take_due(after(3)).is_empty());
        assert_eq!(ledger.failures().unexplained, 2);
    }

    #[test]
    fn a_complaint_of_the_same_kind_is_looked_into_again_only_after_a_while() {
        let mut ledger = explained(Code::NO_TAG);
        ledger.see(seen("a", &["Back-off pulling image"]), after(10));
        ledger.see(seen("a", &["another request: registry.example.com/app:1: not found"]), after(20));
        assert!(ledger.take_due(after(301)).is_empty());
        assert_eq!(ledger.take_due(after(302)).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_puts_off_no_look() {
        let mut ledger = explained(Code::NO_TAG);
        let hours_ago = after(2) - Duration::from_secs(6 * 3600);
        assert!(ledger.take_due(hours_ago).is_empty());
        assert_eq!(ledger.take_due(hours_ago + AGAIN).len(), 1);
    }

    #[test]
    fn a_complaint_of_another_kind_is_looked_into_at_once() {
        let mut ledger = explained(Code::NO_TAG);
        ledger.see(seen("a", &["x509: certificate signed by unknown authority"]), after(10));
        assert_eq!(ledger.take_due(after(12)).len(), 1);
    }

    #[test]
    fn a_renewed_credential_is_a_reason_to_look_again_once_it_has_arrived() {
        let mut ledger = explained(Code::EXPIRED);
        ledger.look_again(after(10));
        assert!(ledger.take_due(after(14)).is_empty());
        assert_eq!(ledger.take_due(after(15)).len(), 1);
    }

    #[test]
    fn what_a_mended_failure_came_from_stays_known() {
        let mut ledger = explained(Code::EXPIRED);
        ledger.found(&key("a"), finding(Code::MENDED), after(20));
        let diagnosis = &ledger.failures().explained[0].diagnosis;
        assert_eq!(diagnosis.finding.code, Code::MENDED);
        assert_eq!(diagnosis.cause.as_ref().expect("a cause").code, Code::EXPIRED);
    }

    #[test]
    fn what_does_not_fail_any_more_is_forgotten() {
        let mut ledger = explained(Code::NO_TAG);
        ledger.see(seen("a", &[]), after(10));
        assert!(ledger.failures().explained.is_empty());
        let mut ledger = explained(Code::NO_TAG);
        ledger.forget("a");
        ledger.found(&key("a"), finding(Code::NO_TAG), after(10));
        assert!(ledger.failures().explained.is_empty());
    }

    #[test]
    fn what_a_new_list_does_not_show_is_forgotten() {
        let mut ledger = explained(Code::NO_TAG);
        ledger.begin_list();
        ledger.see(seen("b", &[NOT_FOUND]), after(10));
        assert_eq!(ledger.failures().explained.len(), 1, "until the list is complete");
        ledger.finish_list();
        assert_eq!((ledger.failures().explained.len(), ledger.failures().unexplained), (0, 1));
    }

    #[test]
    fn of_what_there_is_no_room_for_the_number_is_known() {
        let mut ledger = Ledger::default();
        for number in 0..MOST + 7 {
            ledger.see(seen(&number.to_string(), &[NOT_FOUND]), NOON);
        }
        assert_eq!((ledger.entries.len(), ledger.failures().unexplained), (MOST, MOST + 7));
        assert_eq!(ledger.take_due(after(2)).len(), AT_A_TIME);
        ledger.forget("0");
        ledger.forget(&(MOST + 3).to_string());
        assert_eq!(ledger.failures().unexplained, MOST + 5);
    }

    #[test]
    fn what_could_not_be_looked_into_is_tried_again_sooner() {
        let mut ledger = Ledger::default();
        ledger.see(seen("a", &[NOT_FOUND]), NOON);
        ledger.take_due(after(2));
        ledger.put_back([&key("a")], after(10));
        assert!(ledger.take_due(after(69)).is_empty());
        assert_eq!(ledger.take_due(after(70)).len(), 1);
    }
}
