//! How often the same thing is told: pure, with the time as an input.
//!
//! A change of state is told each time. A repetition is told at most once in ten minutes, as one more occurrence of the
//! Event that is there, with all that were kept silent meanwhile. What lasts is repeated by those who know of it, so that
//! its Event does not expire.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::events::notice::{Notice, Object};

/// Between two words on the same thing.
const SILENCE: Duration = Duration::from_secs(600);

/// What is older has expired at the API server, by its default.
const MEMORY: Duration = Duration::from_secs(3600);

/// Things remembered; a little more than the queue of what is to be told.
const MOST: usize = 2048;

/// What has been told of late.
#[derive(Debug, Default)]
pub struct Ration {
    told: HashMap<Thing, Told>,
}

type Thing = (Place, &'static str, String);

/// Where a thing is told. Pods come and go, and what one of them has others of its namespace have too.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Place {
    Object(Object),
    PodsOf(String),
}

#[derive(Debug)]
struct Told {
    note: String,
    event: String,
    at: Timestamp,
    /// Occurrences, told or not.
    count: i32,
}

/// What to do with a notice.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make an Event of it.
    New,
    /// Show on the Event of that name that it has occurred so often by now.
    Again {
        /// Its name.
        event: String,
        /// How often.
        count: i32,
    },
    /// It was told a short while ago.
    Silence,
}

impl Ration {
    /// Whether, and how, to tell it.
    pub fn ask(&mut self, notice: &Notice, now: Timestamp) -> Verdict {
        let Some(told) = self.told.get_mut(&thing(notice)) else { return Verdict::New };
        told.count = told.count.saturating_add(1);
        if !notice.transition && since(told.at, now) < SILENCE {
            return Verdict::Silence;
        }
        // An Event's note cannot be changed.
        if told.note != notice.note || since(told.at, now) >= MEMORY {
            return Verdict::New;
        }
        Verdict::Again { event: told.event.clone(), count: told.count }
    }

    /// It was told, by the Event of that name.
    pub fn told(&mut self, notice: Notice, event: String, now: Timestamp) {
        let thing = thing(&notice);
        if let Some(told) = self.told.get_mut(&thing).filter(|told| told.event == event) {
            told.at = now;
            return;
        }
        if self.told.len() >= MOST {
            self.forget(now);
        }
        self.told.insert(thing, Told { note: notice.note, event, at: now, count: 1 });
    }

    /// Makes room: by what has expired, else by half of everything.
    fn forget(&mut self, now: Timestamp) {
        self.told.retain(|_, told| since(told.at, now) < MEMORY);
        if self.told.len() >= MOST {
            let mut times: Vec<_> = self.told.values().map(|told| told.at).collect();
            let (_, median, _) = times.select_nth_unstable(MOST / 2);
            let median = *median;
            self.told.retain(|_, told| told.at > median);
        }
    }
}

fn thing(notice: &Notice) -> Thing {
    let place = match &notice.object {
        Object::Pod(pod) => Place::PodsOf(pod.namespace.clone()),
        object => Place::Object(object.clone()),
    };
    (place, notice.reason, notice.subject.clone())
}

/// What was told in a time to come was told by a clock that has been set back since: nobody knows how long ago.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::notice;
    use crate::pulls::causes::News;
    use crate::pulls::table::Pod;
    use crate::sync::incident::Incident;
    use crate::why::catalogue::Code;
    use crate::why::finding::{Certainty, Finding};

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(seconds: u64) -> Timestamp {
        NOON + Duration::from_secs(seconds)
    }

    fn refused(namespace: &str, why: &str) -> Notice {
        notice::of_incident(&Incident::Refused {
            namespace: namespace.to_owned(),
            secret: "pull".to_owned(),
            uid: None,
            why: why.to_owned(),
        })
    }

    #[test]
    fn a_repetition_is_told_once_in_ten_minutes_with_those_kept_silent() {
        let mut ration = Ration::default();
        let notice = refused("team", "owned by kubectl");
        assert_eq!(ration.ask(&notice, NOON), Verdict::New);
        ration.told(notice.clone(), "first".to_owned(), NOON);
        for minute in 1..10 {
            assert_eq!(ration.ask(&notice, after(minute * 60)), Verdict::Silence);
        }
        assert_eq!(ration.ask(&notice, after(600)), Verdict::Again { event: "first".to_owned(), count: 11 });
        ration.told(notice.clone(), "first".to_owned(), after(600));
        assert_eq!(ration.ask(&notice, after(660)), Verdict::Silence);
    }

    #[test]
    fn a_repetition_in_other_words_is_an_event_of_its_own_after_ten_minutes() {
        let mut ration = Ration::default();
        ration.told(refused("team", "owned by kubectl"), "first".to_owned(), NOON);
        let notice = refused("team", "owned by helm");
        assert_eq!(ration.ask(&notice, after(1)), Verdict::Silence);
        assert_eq!(ration.ask(&notice, after(600)), Verdict::New);
    }

    #[test]
    fn a_change_of_state_is_told_each_time() {
        let mut ration = Ration::default();
        let notice = notice::elected("pod-a");
        ration.told(notice.clone(), "first".to_owned(), NOON);
        assert_eq!(ration.ask(&notice, after(1)), Verdict::Again { event: "first".to_owned(), count: 2 });
    }

    #[test]
    fn a_cause_is_told_once_for_all_pods_of_a_namespace() {
        let explained = |namespace: &str, name: &str| {
            let pod = Pod { namespace: namespace.to_owned(), name: name.to_owned(), uid: name.to_owned() };
            let finding = Arc::new(Finding::new(Code::NO_TAG, Certainty::Certain, "there is no such tag"));
            notice::of_pulls(&News { pod, finding, pods: 2 })
        };
        let mut ration = Ration::default();
        ration.told(explained("team", "web-1"), "first".to_owned(), NOON);
        assert_eq!(ration.ask(&explained("team", "web-2"), after(1)), Verdict::Silence);
        assert_eq!(ration.ask(&explained("shop", "web-1"), after(1)), Verdict::New);
    }

    #[test]
    fn an_event_that_has_expired_is_made_anew() {
        let mut ration = Ration::default();
        let notice = refused("team", "owned by kubectl");
        ration.told(notice.clone(), "first".to_owned(), NOON);
        assert_eq!(ration.ask(&notice, after(3600)), Verdict::New);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing() {
        let mut ration = Ration::default();
        let notice = refused("team", "owned by kubectl");
        ration.told(notice.clone(), "first".to_owned(), after(6 * 3600));
        assert_eq!(ration.ask(&notice, NOON), Verdict::New);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_stays() {
        let mut ration = Ration::default();
        for number in 0..10_000_u64 {
            ration.told(refused(&format!("team-{number}"), "owned"), number.to_string(), after(number / 10));
            assert!(ration.told.len() <= MOST);
        }
        assert_eq!(ration.ask(&refused("team-9999", "owned"), after(1000)), Verdict::Silence);
        for number in 0..5000 {
            ration.told(refused(&format!("at-once-{number}"), "owned"), number.to_string(), after(2000));
            assert!(ration.told.len() <= MOST, "also if all have the same time");
        }
    }
}
