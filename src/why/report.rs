//! The findings of many cases, told together: what is equal is said once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::why::backoff;
use crate::why::case::{Case, Subject};
use crate::why::finding::Finding;

mod text;

pub use text::{short, text};

/// What `pullmint why` has to say. Its JSON is as stable as the codes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "pullmint why")]
pub struct Report {
    /// The version of this form: 1.
    pub version: u32,
    /// Findings, those of most pods first.
    pub findings: Vec<Group>,
    /// Images that were looked at.
    pub images: usize,
    /// Images that can be pulled, as far as can be told.
    pub good: usize,
    /// Pods that were looked at.
    pub pods: usize,
    /// Pods that wait for other reasons than their images, by reason.
    pub waiting: BTreeMap<String, usize>,
    /// What could not be read.
    pub notes: Vec<String>,
    /// Questions to registries.
    pub asked: usize,
}

/// One finding, and everybody that it concerns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The foremost cause.
    #[serde(flatten)]
    pub finding: Finding,
    /// What else is wrong, which shows once the foremost cause is mended.
    pub also: Vec<Finding>,
    /// Whether the kubelet has already failed on it.
    pub failing: bool,
    /// The images, as they are written.
    pub images: Vec<String>,
    /// Who wants them.
    pub subjects: Vec<Subject>,
    /// Seconds until the kubelet tries again; the least of all subjects. `null`: unknown, at most 300.
    pub next_attempt_seconds: Option<u64>,
    /// A command after which a new pod pulls at once, for the first subject.
    pub retry: Option<String>,
}

impl Report {
    /// Puts cases and their findings together.
    #[must_use]
    pub fn new(judged: &[(Case, Vec<Finding>)], now: Timestamp) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut good = 0;
        for (case, findings) in judged {
            let Some((finding, also)) = findings.split_first() else {
                good += 1;
                continue;
            };
            let key = (finding.code.to_string(), finding.sentence.clone());
            let place = *places.entry(key).or_insert_with(|| {
                groups.push(Group::new(case, finding, also));
                groups.len() - 1
            });
            groups[place].add(case, now);
        }
        groups.sort_by(|a, b| b.subjects.len().cmp(&a.subjects.len()).then(a.finding.code.cmp(&b.finding.code)));
        Self {
            version: 1,
            findings: groups,
            images: judged.len(),
            good,
            pods: 0,
            waiting: BTreeMap::new(),
            notes: Vec::new(),
            asked: 0,
        }
    }
}

impl Group {
    fn new(case: &Case, finding: &Finding, also: &[Finding]) -> Self {
        let retry = case.complaint.is_some().then(|| retry(&case.subject)).flatten();
        Self {
            finding: finding.clone(),
            also: also.to_vec(),
            failing: case.complaint.is_some(),
            images: Vec::new(),
            subjects: Vec::new(),
            next_attempt_seconds: None,
            retry,
        }
    }

    fn add(&mut self, case: &Case, now: Timestamp) {
        if !self.images.contains(&case.image) {
            self.images.push(case.image.clone());
        }
        self.subjects.push(case.subject.clone());
        let attempts = case.complaint.as_ref().and_then(|complaint| complaint.attempts);
        let left = attempts.map(|attempts| backoff::left(attempts, now).as_secs());
        self.next_attempt_seconds = match (self.next_attempt_seconds, left) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// A pod that nothing makes again is not to be deleted lightly.
fn retry(subject: &Subject) -> Option<String> {
    subject.controller.as_ref()?;
    Some(format!("kubectl -n {} delete pod {}", subject.namespace, subject.pod))
}
