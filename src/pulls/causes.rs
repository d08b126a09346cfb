//! Failures with the same cause, told together. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::pulls::table::{Failure, Failures, Pod};
use crate::status::{PullCauseStatus, PullFailuresStatus};
use crate::why::catalogue::Code;
use crate::why::finding::Finding;

/// Causes in the status, those of most pods first, and pods of each.
const CAUSES_SHOWN: usize = 50;
const PODS_SHOWN: usize = 10;

/// A cause that is new in a namespace, or lasts.
#[derive(Clone, Debug)]
pub struct News {
    /// The first pod that has it.
    pub pod: Pod,
    /// The cause.
    pub finding: Arc<Finding>,
    /// Pods of the namespace that have it.
    pub pods: usize,
}

/// A cause in a namespace.
pub(super) type Cause = (String, Code, String);

/// The causes in each namespace, with those who have them. That nothing is wrong any more is none.
pub(super) fn by_namespace(failures: &Failures) -> BTreeMap<Cause, News> {
    let mut causes: BTreeMap<Cause, (News, BTreeSet<&str>)> = BTreeMap::new();
    for failure in failures.explained.iter().filter(|failure| failure.diagnosis.finding.code != Code::MENDED) {
        let Failure { pod, diagnosis, .. } = failure.as_ref();
        let finding = &diagnosis.finding;
        let cause = (pod.namespace.clone(), finding.code, finding.sentence.clone());
        let news = || News { pod: pod.clone(), finding: Arc::clone(finding), pods: 0 };
        causes.entry(cause).or_insert_with(|| (news(), BTreeSet::new())).1.insert(&pod.uid);
    }
    causes.into_iter().map(|(cause, (news, pods))| (cause, News { pods: pods.len(), ..news })).collect()
}

/// What the status shows.
#[must_use]
pub fn status(failures: &Failures) -> PullFailuresStatus {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut causes: BTreeMap<(Code, &str), Shared<'_>> = BTreeMap::new();
    for failure in &failures.explained {
        let finding = failure.diagnosis.finding.as_ref();
        *counts.entry(finding.code.to_string()).or_default() += 1;
        let shared = causes.entry((finding.code, &finding.sentence)).or_insert_with(|| Shared::new(failure, finding));
        shared.pods.insert(&failure.pod);
        shared.since = shared.since.min(failure.since);
    }
    let mut causes: Vec<_> = causes.into_values().collect();
    causes.sort_by_key(|shared| std::cmp::Reverse(shared.pods.len()));
    PullFailuresStatus {
        counts,
        unexplained: failures.unexplained,
        causes_total: causes.len(),
        causes: causes.iter().take(CAUSES_SHOWN).map(Shared::status).collect(),
    }
}

/// One cause, and all pods that have it.
struct Shared<'a> {
    finding: &'a Finding,
    pods: BTreeSet<&'a Pod>,
    since: Timestamp,
}

impl<'a> Shared<'a> {
    fn new(failure: &Failure, finding: &'a Finding) -> Self {
        Self { finding, pods: BTreeSet::new(), since: failure.since }
    }

    fn status(&self) -> PullCauseStatus {
        let Finding { code, certainty, sentence, cure, command, .. } = self.finding;
        let namespaces: BTreeSet<_> = self.pods.iter().map(|pod| &pod.namespace).collect();
        PullCauseStatus {
            code: code.to_string(),
            sentence: sentence.clone(),
            certainty: certainty.as_str(),
            cure: cure.clone(),
            command: command.clone(),
            namespaces: namespaces.len(),
            pods: self.pods.len(),
            first_pods: self
                .pods
                .iter()
                .take(PODS_SHOWN)
                .map(|pod| format!("{}/{}", pod.namespace, pod.name))
                .collect(),
            since: self.since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulls::table::Diagnosis;
    use crate::why::finding::Certainty;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn failure(namespace: &str, pod: usize, code: Code) -> Arc<Failure> {
        let finding = Arc::new(Finding::new(code, Certainty::Certain, "so it is"));
        let name = format!("web-{pod:02}");
        Arc::new(Failure {
            pod: Pod { namespace: namespace.into(), uid: format!("{namespace}-{name}"), name },
            owner: None,
            container: "app".into(),
            image: "app:1".into(),
            pull_secrets: Vec::new(),
            has_run: false,
            since: NOON + std::time::Duration::from_secs(pod as u64),
            diagnosis: Diagnosis { cause: Some(Arc::clone(&finding)), finding, at: NOON },
        })
    }

    fn failures() -> Failures {
        let explained = (0..12).map(|pod| failure("shop", pod, Code::NO_TAG));
        let others = [failure("team", 0, Code::NO_TAG), failure("team", 1, Code::MENDED)];
        Failures { explained: explained.chain(others).collect(), unexplained: 3 }
    }

    #[test]
    fn a_cause_is_told_once_in_each_namespace_at_its_first_pod() {
        let causes: Vec<_> = by_namespace(&failures()).into_values().collect();
        let told: Vec<_> = causes.iter().map(|it| (it.pod.namespace.as_str(), it.pod.name.as_str(), it.pods)).collect();
        assert_eq!(told, [("shop", "web-00", 12), ("team", "web-00", 1)]);
    }

    #[test]
    fn the_status_counts_by_code_and_shows_the_first_pods_of_each_cause() {
        let status = status(&failures());
        assert_eq!(status.counts, [("PM000".to_owned(), 1), ("PM103".to_owned(), 13)].into());
        assert_eq!((status.unexplained, status.causes_total), (3, 2));
        let first = &status.causes[0];
        assert_eq!((first.code.as_str(), first.pods, first.namespaces, first.since), ("PM103", 13, 2, NOON));
        assert_eq!((first.first_pods.len(), first.first_pods[0].as_str()), (PODS_SHOWN, "shop/web-00"));
    }
}
