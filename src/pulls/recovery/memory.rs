//! What is remembered of pods that fail, beyond what is told of them now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::pulls::table::Failure;
use crate::why::catalogue::Code;
use crate::why::finding::Certainty;

/// Causes that a renewed credential mends.
const OF_CREDENTIALS: [Code; 3] = [Code::EXPIRED, Code::WRONG_CREDENTIAL, Code::NOT_RENEWED];

/// Kept for as long as a pod fails. One that was made anew has another identity, and no past.
#[derive(Debug, Default)]
pub struct Memory {
    blamed: BTreeMap<Want, Timestamp>,
    resting: BTreeMap<String, Rest>,
}

/// What a container wanted: the pod's identity, the container, the image, which may be changed in place.
type Want = (String, String, String);

/// For how long a pod is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Until then, by [`Clock::uptime`](crate::clock::Clock::uptime).
    Until(Duration),
    /// For good.
    ForGood,
}

impl Memory {
    /// Takes in what is told now, and forgets pods of which nothing is told any more.
    pub fn note(&mut self, failures: &[Arc<Failure>]) {
        let (wants, pods): (BTreeSet<_>, BTreeSet<_>) =
            failures.iter().map(|failure| (want(failure), failure.pod.uid.as_str())).unzip();
        self.blamed.retain(|want, _| wants.contains(want));
        self.resting.retain(|uid, _| pods.contains(uid.as_str()));
        for failure in failures.iter().filter(|failure| is_of_credentials(failure)) {
            // The first diagnosis counts: one made between the renewal and the Secret's arrival says the same again.
            self.blamed.entry(want(failure)).or_insert(failure.diagnosis.at);
        }
    }

    /// When the credential was first found to be why this image was refused.
    #[must_use]
    pub fn blamed(&self, failure: &Failure) -> Option<Timestamp> {
        self.blamed.get(&want(failure)).copied()
    }

    /// Leaves a pod alone.
    pub fn rest(&mut self, uid: &str, rest: Rest) {
        self.resting.insert(uid.to_owned(), rest);
    }

    /// Until when a pod is left alone; `None`: for good.
    #[must_use]
    pub fn rests_until(&self, uid: &str) -> Option<Duration> {
        match self.resting.get(uid) {
            Some(Rest::ForGood) => None,
            Some(Rest::Until(then)) => Some(*then),
            None => Some(Duration::ZERO),
        }
    }
}

fn is_of_credentials(failure: &Failure) -> bool {
    let finding = &failure.diagnosis.finding;
    OF_CREDENTIALS.contains(&finding.code) && finding.certainty != Certainty::Possible
}

fn want(failure: &Failure) -> Want {
    (failure.pod.uid.clone(), failure.container.clone(), failure.image.clone())
}
