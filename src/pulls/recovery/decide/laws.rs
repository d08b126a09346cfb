//! What holds of the decision.

use proptest::prelude::*;

use super::*;
use crate::pulls::recovery::memory::Rest;
use crate::pulls::table::{Diagnosis, Owner, Pod};
use crate::why::finding::{Certainty, Finding};

const IMAGE: &str = "acme.azurecr.io/team/app:1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("an instant")
}

/// A ReplicaSet's pod of that number, in which one container was diagnosed at that second.
fn failure(pod: i64, code: Code, second: i64) -> Failure {
    let finding = Arc::new(Finding::new(code, Certainty::Certain, "a sentence"));
    Failure {
        pod: Pod { namespace: "team".into(), name: format!("web-{pod}"), uid: pod.to_string() },
        owner: Some(Owner { kind: "ReplicaSet".into(), name: "web".into() }),
        container: "app".into(),
        image: IMAGE.into(),
        pull_secrets: vec!["own".into(), "pullmint-acr".into()],
        has_run: false,
        since: at(pod),
        diagnosis: Diagnosis { finding, cause: None, at: at(second) },
    }
}

fn renewed(second: i64) -> Renewal {
    Renewal {
        registry: RegistryName::new("acr"),
        hosts: vec!["acme.azurecr.io".parse().expect("a host")],
        secret: "pullmint-acr".into(),
        minted_at: at(second),
    }
}

/// What was told, one thing after the other, and what was renewed meanwhile.
#[derive(Debug, Default)]
struct Story {
    memory: Memory,
    limit: Limit,
    failures: Vec<Arc<Failure>>,
    renewals: Vec<Renewal>,
}

impl Story {
    fn told(mut self, failures: impl IntoIterator<Item = Failure>) -> Self {
        self.failures = failures.into_iter().map(Arc::new).collect();
        self.memory.note(&self.failures);
        self
    }

    fn renewed(mut self, renewal: Renewal) -> Self {
        self.renewals = vec![renewal];
        self
    }

    fn decided(&self, second: u64) -> Verdict {
        decide(&Input {
            failures: &self.failures,
            memory: &self.memory,
            renewals: &self.renewals,
            limit: &self.limit,
            per_minute: 2,
            now: Duration::from_secs(second),
        })
    }

    /// The pod to be deleted, by its number.
    fn deleted(&self) -> Option<String> {
        match self.decided(1000) {
            Verdict::Delete(patient) => Some(patient.uid),
            _ => None,
        }
    }
}

/// The pod's credential was refused, another was minted, and with that the image can be pulled; one thing is different.
fn but(change: impl Fn(&mut Failure)) -> Option<String> {
    let told = |code, second| {
        let mut failure = failure(1, code, second);
        change(&mut failure);
        failure
    };
    let story = Story::default().told([told(Code::WRONG_CREDENTIAL, 10)]).renewed(renewed(20));
    story.told([told(Code::MENDED, 30)]).deleted()
}

#[test]
fn a_pod_whose_credential_was_renewed_since_is_deleted_whatever_was_wrong_with_it() {
    for code in [Code::EXPIRED, Code::WRONG_CREDENTIAL, Code::NOT_RENEWED] {
        let story = Story::default().told([failure(1, code, 10)]).renewed(renewed(20));
        assert_eq!(story.deleted(), None, "{code}: nobody has seen yet that it is mended");
        let story = story.told([failure(1, Code::MENDED, 30)]);
        let Verdict::Delete(patient) = story.decided(1000) else { panic!("{code}") };
        assert_eq!((patient.name.as_str(), patient.registry.as_str()), ("web-1", "acr"));
        assert_eq!(patient.mended, [("app".to_owned(), IMAGE.to_owned())]);
    }
}

#[test]
fn no_other_pod_is_deleted() {
    assert_eq!(but(|_| {}).as_deref(), Some("1"), "as it is");
    assert_eq!(but(|it| it.owner = None), None, "nothing makes it again");
    assert_eq!(but(|it| it.owner = Some(Owner { kind: "Job".into(), name: "web".into() })), None, "it would count");
    assert_eq!(but(|it| it.has_run = true), None, "something would be lost");
    assert_eq!(but(|it| it.pull_secrets = vec!["own".into()]), None, "it was another credential");
    assert_eq!(but(|it| it.image = "else.azurecr.io/team/app:1".into()), None, "it opens another registry");
    let cause = |code| {
        let story = Story::default().told([failure(1, code, 10)]).renewed(renewed(20));
        story.told([failure(1, Code::MENDED, 30)]).deleted()
    };
    for code in [Code::NO_TAG, Code::NO_PERMISSION, Code::SECRET_MISSING, Code::OUTAGE, Code::MENDED] {
        assert_eq!(cause(code), None, "{code}: it was something else");
    }
    let mut doubtful = failure(1, Code::WRONG_CREDENTIAL, 10);
    doubtful.diagnosis.finding = Arc::new(Finding::new(Code::WRONG_CREDENTIAL, Certainty::Possible, "perhaps"));
    let story = Story::default().told([doubtful]).renewed(renewed(20)).told([failure(1, Code::MENDED, 30)]);
    assert_eq!(story.deleted(), None, "nobody knows what it was");
}

#[test]
fn only_a_renewal_between_the_two_diagnoses_counts() {
    for (minted, deleted) in [(9, false), (10, false), (11, true), (29, true), (30, false), (31, false)] {
        let story = Story::default().told([failure(1, Code::EXPIRED, 10)]).renewed(renewed(minted));
        assert_eq!(story.told([failure(1, Code::MENDED, 30)]).deleted().is_some(), deleted, "{minted}");
    }
}

#[test]
fn a_diagnosis_between_the_renewal_and_the_arrival_of_the_secret_changes_nothing() {
    let story = Story::default().told([failure(1, Code::EXPIRED, 10)]).renewed(renewed(20));
    let story = story.told([failure(1, Code::EXPIRED, 21)]).told([failure(1, Code::MENDED, 30)]);
    assert_eq!(story.deleted().as_deref(), Some("1"));
}

#[test]
fn all_containers_must_be_mended_and_one_of_them_by_the_renewal() {
    let second = |code, second| Failure { container: "log".into(), ..failure(1, code, second) };
    let story = Story::default().told([failure(1, Code::EXPIRED, 10), second(Code::NO_TAG, 10)]).renewed(renewed(20));
    let story = story.told([failure(1, Code::MENDED, 30), second(Code::NO_TAG, 30)]);
    assert_eq!(story.deleted(), None);
    let story = story.told([failure(1, Code::MENDED, 30), second(Code::MENDED, 40)]);
    assert_eq!(story.deleted().as_deref(), Some("1"));
}

#[test]
fn a_new_pod_has_no_past_and_an_image_that_was_changed_has_none() {
    let story = Story::default().told([failure(1, Code::EXPIRED, 10)]).renewed(renewed(20));
    let other = Failure { image: "acme.azurecr.io/team/app:2".into(), ..failure(1, Code::MENDED, 30) };
    assert_eq!(story.told([other]).deleted(), None);
    let story = Story::default().told([failure(1, Code::EXPIRED, 10)]).renewed(renewed(20));
    assert_eq!(story.told([failure(2, Code::MENDED, 30)]).told([failure(1, Code::MENDED, 30)]).deleted(), None);
}

#[test]
fn the_pod_that_has_failed_for_longest_goes_first_unless_it_rests() {
    let all = |code, second| [3, 1, 2].map(|pod| failure(pod, code, second));
    let mut story = Story::default().told(all(Code::EXPIRED, 10)).renewed(renewed(20)).told(all(Code::MENDED, 30));
    assert_eq!(story.deleted().as_deref(), Some("1"));
    story.memory.rest("1", Rest::Until(Duration::from_secs(1001)));
    assert_eq!(story.deleted().as_deref(), Some("2"));
    story.memory.rest("2", Rest::ForGood);
    story.memory.rest("3", Rest::ForGood);
    assert_eq!(story.decided(1000), Verdict::Wait(Duration::from_secs(1001)));
    story.memory.rest("1", Rest::ForGood);
    assert_eq!(story.decided(1000), Verdict::Leave);
}

proptest! {
    #[test]
    fn every_pod_has_its_turn_once_and_no_minute_has_more_than_it_may(pods in 1_i64..40, step in 1_u64..30) {
        let all = |code, second| (0..pods).map(move |pod| failure(pod, code, second));
        let mut story = Story::default().told(all(Code::EXPIRED, 50)).renewed(renewed(60)).told(all(Code::MENDED, 70));
        let (mut now, mut deleted) = (0, Vec::new());
        loop {
            match story.decided(now) {
                Verdict::Delete(patient) => {
                    story.limit.take(Duration::from_secs(now));
                    story.memory.rest(&patient.uid, Rest::ForGood);
                    deleted.push((patient.uid, now));
                }
                Verdict::Wait(until) => {
                    prop_assert!(until > Duration::from_secs(now));
                    now += step;
                }
                Verdict::Leave => break,
            }
        }
        let order: Vec<_> = deleted.iter().map(|(uid, _)| uid.parse::<i64>().expect("a number")).collect();
        prop_assert_eq!(order, (0..pods).collect::<Vec<_>>());
        for (first, third) in deleted.iter().zip(deleted.iter().skip(2)) {
            prop_assert!(third.1 - first.1 >= 60);
        }
    }
}
