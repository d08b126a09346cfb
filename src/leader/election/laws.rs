//! The laws of the election, held against a Lease whose readers are slow, frozen, cut off and restarted at random.

use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(100);
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The Lease, and those who want it.
struct Theatre {
    chance: fastrand::Rng,
    now: Duration,
    version: u64,
    lease: Option<Record>,
    actors: Vec<Actor>,
    calls: Vec<Call>,
    restarts: usize,
}

struct Actor {
    election: Election,
    frozen_until: Duration,
    /// The number of the call that is waited for, and until when.
    waits: Option<(usize, Duration)>,
}

/// A call on its way. It goes on when its sender has given it up.
struct Call {
    actor: usize,
    step: Step,
    sender: String,
    sent_at: Duration,
    served_at: Option<Duration>,
    answered_at: Option<Duration>,
    answer: Option<Answer>,
}

#[derive(Clone)]
enum Answer {
    Seen(Option<Record>),
    Written(Record),
    Conflict,
}

impl Theatre {
    fn new(seed: u64, actors: usize) -> Self {
        let actor = |number| Actor {
            election: Election::new(format!("actor-{number}"), Timing::default()),
            frozen_until: Duration::ZERO,
            waits: None,
        };
        Self {
            chance: fastrand::Rng::with_seed(seed),
            now: seconds(1000),
            version: 0,
            lease: None,
            actors: (0..actors).map(actor).collect(),
            calls: Vec::new(),
            restarts: 0,
        }
    }

    fn leaders(&self) -> Vec<&str> {
        let leading = self.actors.iter().filter(|actor| actor.election.leads(self.now));
        leading.map(|actor| actor.election.me.as_str()).collect()
    }

    /// Runs for so long, and checks at every tick that at most one leads; `trouble` is the probability of each kind.
    fn play(&mut self, length: Duration, trouble: f64) {
        let end = self.now + length;
        while self.now < end {
            self.now += TICK;
            self.serve();
            for actor in 0..self.actors.len() {
                self.disturb(actor, trouble);
                if self.actors[actor].frozen_until <= self.now {
                    self.act(actor, trouble);
                }
            }
            assert!(self.leaders().len() <= 1, "at {:?}: {:?}", self.now, self.leaders());
        }
    }

    fn serve(&mut self) {
        for number in 0..self.calls.len() {
            if self.calls[number].answer.is_none() && self.calls[number].served_at.is_some_and(|at| at <= self.now) {
                let (step, sender) = (self.calls[number].step.clone(), self.calls[number].sender.clone());
                self.calls[number].answer = Some(self.answer(&step, sender));
            }
        }
    }

    fn answer(&mut self, step: &Step, sender: String) -> Answer {
        match step {
            Step::Create if self.lease.is_none() => Answer::Seen(Some(self.write(None, 0))),
            Step::Take(record) | Step::Renew(record) if self.lease.as_ref() == Some(record) => {
                Answer::Written(self.write(Some(sender), record.transitions + 1))
            }
            Step::Take(_) | Step::Renew(_) => Answer::Conflict,
            Step::Create | Step::Look | Step::Wait(_) => Answer::Seen(self.lease.clone()),
        }
    }

    fn write(&mut self, holder: Option<String>, transitions: i32) -> Record {
        self.version += 1;
        let record = Record { version: self.version.to_string(), holder, length: Timing::default().lease, transitions };
        self.lease = Some(record.clone());
        record
    }

    fn disturb(&mut self, actor: usize, trouble: f64) {
        let (now, lease) = (self.now, self.lease.clone());
        if self.chance.f64() < trouble / 100.0 {
            self.actors[actor].frozen_until = now + TICK * self.chance.u32(1..400);
        }
        if self.chance.f64() < trouble / 400.0 {
            self.restarts += 1;
            let name = format!("actor-{actor}-{}", self.restarts);
            self.actors[actor].election = Election::new(name, Timing::default());
            self.actors[actor].waits = None;
        }
        // The watch shows it: at once where all is well, else sooner or later.
        let prompt = if trouble > 0.0 { 0.2 } else { 1.0 };
        let awake = self.actors[actor].frozen_until <= now && self.actors[actor].waits.is_none();
        if awake && !self.actors[actor].election.leads(now) && self.chance.f64() < prompt {
            self.actors[actor].election.observe(now, lease);
        }
    }

    fn act(&mut self, actor: usize, trouble: f64) {
        let now = self.now;
        let Actor { election, waits, .. } = &mut self.actors[actor];
        if let Some((number, until)) = *waits {
            let call = &self.calls[number];
            let answer = call.answer.clone().filter(|_| call.answered_at.is_some_and(|at| at <= now));
            match answer {
                Some(Answer::Seen(record)) => election.observe(now, record),
                Some(Answer::Written(record)) => election.hold(call.sent_at, record),
                Some(Answer::Conflict) => election.lose_race(now),
                None if until <= now => election.fail(now),
                None => return,
            }
            *waits = None;
        }
        let step = election.next(now);
        if matches!(step, Step::Wait(_)) {
            return;
        }
        let mut delay = || {
            let slow = self.chance.f64() < trouble;
            let lost = self.chance.f64() < trouble / 2.0;
            (!lost).then(|| if slow { TICK * self.chance.u32(0..200) } else { Duration::ZERO })
        };
        let served_at = delay().map(|delay| now + delay);
        let answered_at = served_at.and_then(|at| Some(at + delay()?));
        *waits = Some((self.calls.len(), now + CALL_TIMEOUT));
        let sender = election.me.clone();
        self.calls.push(Call { actor, step, sender, sent_at: now, served_at, answered_at, answer: None });
    }

    /// Ends one for ever.
    fn kill(&mut self, actor: usize) {
        self.actors[actor].frozen_until = Duration::MAX;
        for call in self.calls.iter_mut().filter(|call| call.actor == actor && call.answer.is_none()) {
            call.served_at = None;
        }
    }

    fn leader(&self) -> usize {
        let leads = |actor: &Actor| actor.election.leads(self.now);
        self.actors.iter().position(leads).expect("a leader")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn two_never_lead_whatever_happens_and_when_it_is_over_one_does(seed: u64, trouble in 0.0..0.6) {
        let mut theatre = Theatre::new(seed, 3);
        theatre.play(seconds(300), trouble);
        for actor in &mut theatre.actors {
            actor.frozen_until = Duration::ZERO;
        }
        let timing = Timing::default();
        // What is still on its way may be served up to 20 s later.
        theatre.play(seconds(20) + CALL_TIMEOUT + timing.lease + timing.retry * 2, 0.0);
        prop_assert_eq!(theatre.leaders().len(), 1);
    }

    #[test]
    fn a_dead_leader_is_replaced_within_the_leases_length(seed: u64, lived in 1_u64..100) {
        let mut theatre = Theatre::new(seed, 3);
        theatre.play(seconds(lived), 0.0);
        let dead = theatre.leader();
        theatre.kill(dead);
        theatre.play(Timing::default().lease + TICK * 5, 0.0);
        prop_assert_ne!(theatre.leader(), dead);
    }

    #[test]
    fn a_leader_whose_calls_arrive_keeps_the_lease(seed: u64) {
        let mut theatre = Theatre::new(seed, 3);
        theatre.play(seconds(5), 0.0);
        let leader = theatre.leader();
        theatre.play(seconds(300), 0.0);
        prop_assert_eq!(theatre.leader(), leader);
    }
}

fn record(version: &str, holder: Option<&str>) -> Record {
    let holder = holder.map(str::to_owned);
    Record { version: version.to_owned(), holder, length: Timing::default().lease, transitions: 0 }
}

fn election() -> Election {
    Election::new("me".to_owned(), Timing::default())
}

#[test]
fn a_lease_that_was_given_back_is_taken_at_once() {
    let mut election = election();
    election.observe(seconds(100), Some(record("1", Some("other"))));
    assert!(matches!(election.next(seconds(101)), Step::Wait(_)));
    let given_back = record("2", None);
    election.observe(seconds(101), Some(given_back.clone()));
    assert_eq!(election.next(seconds(101)), Step::Take(given_back));
}

#[test]
fn an_answer_that_comes_after_a_long_freeze_makes_no_leader() {
    let mut election = election();
    election.observe(seconds(100), Some(record("1", None)));
    election.hold(seconds(100), record("2", Some("me")));
    assert!(election.leads(seconds(109)));
    election.hold(seconds(100), record("2", Some("me")));
    assert!(!election.leads(seconds(160)));
}

#[test]
fn a_leader_that_cannot_renew_ends_before_others_may_begin() {
    let mut election = election();
    election.hold(seconds(100), record("2", Some("me")));
    election.fail(seconds(109));
    assert_eq!(election.next(seconds(109)), Step::Wait(seconds(110)), "it wakes at its end, not after its patience");
    assert!(!election.leads(seconds(110)));
}

#[test]
fn a_lease_deleted_under_its_holder_is_not_taken_before_the_holder_must_have_noticed() {
    let mut election = election();
    election.observe(seconds(100), Some(record("1", Some("other"))));
    election.observe(seconds(101), None);
    assert_ne!(election.next(seconds(115)), Step::Create);
    election.observe(seconds(115), None);
    assert_eq!(election.next(seconds(116)), Step::Create);
}

#[test]
fn a_foreign_edit_of_the_lease_does_not_end_its_holder() {
    let mut election = election();
    election.hold(seconds(100), record("2", Some("me")));
    election.lose_race(seconds(102));
    assert_eq!(election.next(seconds(103)), Step::Look);
    election.observe(seconds(103), Some(record("3", Some("me"))));
    assert!(election.leads(seconds(103)));
    assert!(matches!(election.next(seconds(105)), Step::Renew(_)));
}
