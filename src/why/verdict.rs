//! The verdict: what was found out, weighed. Pure.
//!
//! What was seen at the registry outweighs what the kubelet's message says; the message decides where the registry
//! cannot be asked, or gives here what it does not give to the node.

use jiff::Timestamp;

use crate::why::answer::{Answer, Forbidden, Outcome, Trouble};
use crate::why::case::{Case, Complaint};
use crate::why::catalogue::Code;
use crate::why::evidence::Evidence;
use crate::why::finding::{Certainty, Finding};
use crate::why::message;
use crate::why::reference::Reference;

mod credential;
mod here;
#[cfg(test)]
mod laws;
mod registry;
mod shell;
mod wiring;
mod words;

/// The causes of a case, the foremost first. None: it pulls, as far as can be told.
#[must_use]
pub fn judge(case: &Case, evidence: &Evidence, now: Timestamp) -> Vec<Finding> {
    let image = match &case.reference {
        Ok(image) => image,
        Err(invalid) => return vec![here::invalid(case, invalid)],
    };
    let complaint = case.complaint.as_ref();
    let heard = complaint.and_then(|complaint| message::heard(&complaint.message, image));
    if complaint.is_some_and(|complaint| complaint.reason == "ErrImageNeverPull") {
        return vec![here::never_pulled(case)];
    }
    if let Some(broken) = &evidence.broken {
        return vec![wiring::broken(case, broken)];
    }
    // A node that holds pulls back has not asked yet: what the registry would say comes next.
    if heard == Some(Code::NODE_THROTTLED) {
        let mut findings = weigh(case, image, evidence, None, now);
        let is_vague = |finding: &Finding| [Code::MENDED, Code::UNKNOWN, Code::SOME_NODES].contains(&finding.code);
        findings.retain(|finding| !is_vague(finding));
        findings.push(here::told(case, image, Code::NODE_THROTTLED, "").shown_by(words::kubelets(case)));
        return findings;
    }
    // The node's other troubles, whatever the registry says.
    if let Some(code) = heard.filter(|code| here::is_nodes_own(*code)) {
        return vec![here::told(case, image, code, "").shown_by(words::kubelets(case))];
    }
    if complaint.is_some_and(|complaint| complaint.reason == "SignatureValidationFailed") {
        return vec![here::told(case, image, Code::POLICY, "").shown_by(words::kubelets(case))];
    }
    weigh(case, image, evidence, heard, now)
}

/// The registry's answers and what was heard of the kubelet, weighed.
fn weigh(case: &Case, image: &Reference, evidence: &Evidence, heard: Option<Code>, now: Timestamp) -> Vec<Finding> {
    let mut findings = if let Some(opened) = evidence.opened() {
        here::opened(case, image, evidence, opened, heard)
    } else if let Some(foremost) = foremost(evidence) {
        match &foremost.outcome {
            Outcome::Unreachable(Trouble::Forbidden(forbidden)) => kept_back(case, image, forbidden, heard),
            Outcome::Unreachable(_) | Outcome::Odd(_) => {
                unasked(case, image, foremost, heard).unwrap_or_else(|| registry::silent(case, image, foremost))
            }
            Outcome::Missing(missing) => registry::missing(case, image, evidence, missing),
            Outcome::Throttled(..) | Outcome::Failing(_) => registry::refused(image, foremost),
            _ => credential::refused(case, image, evidence, now),
        }
    } else {
        by_cluster(case, image, heard, Some("the registry was not asked"))
    };
    if let Some(first) = findings.first_mut().filter(|first| first.code.is_about_credentials()) {
        upkeep(case, image, first);
    }
    for finding in &mut findings {
        finding.evidence.extend(words::kubelets(case));
    }
    findings
}

/// What pullmint says of the Secret itself. Whatever a hand did to it, the next renewal would undo.
fn upkeep(case: &Case, image: &Reference, finding: &mut Finding) {
    let is_wanted = |secret: &str| case.wiring.names(secret);
    let Some(trouble) = case.kept.trouble(image, &case.subject.namespace, is_wanted) else { return };
    finding.evidence.insert(0, format!("pullmint in namespace {} says: {}", trouble.keeper, trouble.words));
    finding.cure = "mend what pullmint says; it writes the Secret by itself then".to_owned();
    finding.command = None;
}

/// The answer that says most: what is missing, then what passes, then the first of the pod's credentials.
fn foremost(evidence: &Evidence) -> Option<&Answer> {
    let rank = |answer: &Answer| match answer.outcome {
        Outcome::Missing(_) => 0,
        Outcome::Throttled(..) => 1,
        Outcome::Denied(_) | Outcome::LoginRefused(_) | Outcome::Found(_) => 2,
        Outcome::Failing(_) => 3,
        Outcome::Unreachable(_) | Outcome::Odd(_) => 4,
    };
    evidence.tried.iter().map(|tried| tried.answer.as_ref()).min_by_key(|answer| rank(answer))
}

/// The registry cannot be asked from here, but the node has reached it: its message speaks of something else.
fn unasked(case: &Case, image: &Reference, answer: &Answer, heard: Option<Code>) -> Option<Vec<Finding>> {
    let code = heard.filter(|code| !here::is_of_the_way(*code))?;
    let note = format!("{} could not be asked from here: {}", image.domain, words::outcome(&answer.outcome));
    Some(by_message(case, image, code, &note))
}

/// The registry stands where nobody is asked: a pod that fails has its kubelet's word, any other has nobody's.
fn kept_back(case: &Case, image: &Reference, forbidden: &Forbidden, heard: Option<Code>) -> Vec<Finding> {
    let mut findings = by_cluster(case, image, heard, None);
    if findings.is_empty() {
        let sentence = format!("whether {} gives {image} was not found out", image.domain);
        findings.push(Finding::new(Code::UNKNOWN, Certainty::Possible, sentence));
    }
    for finding in &mut findings {
        finding.evidence.insert(0, forbidden.to_string());
        if let (Code::UNKNOWN, Some(permission)) = (finding.code, forbidden.permission()) {
            finding.cure = format!(
                "if that is your network, ask again with {permission}; the daemon asks what `private_networks` allows"
            );
        }
    }
    findings
}

/// By the cluster and the kubelet's message.
fn by_cluster(case: &Case, image: &Reference, heard: Option<Code>, note: Option<&str>) -> Vec<Finding> {
    match (heard, &case.complaint) {
        (Some(code), _) => by_message(case, image, code, note.unwrap_or_default()),
        (None, Some(_)) => {
            let faults = wiring::faults(case, image);
            if faults.is_empty() { vec![here::unknown(case, image)] } else { faults }
        }
        (None, None) => wiring::faults(case, image),
    }
}

/// By the message alone. Where it speaks of credentials, the wiring tells more than the message.
fn by_message(case: &Case, image: &Reference, code: Code, note: &str) -> Vec<Finding> {
    let is_about_credentials =
        [Code::NO_PERMISSION, Code::ANONYMOUS, Code::WRONG_CREDENTIAL, Code::NO_REPOSITORY].contains(&code);
    let faults = if is_about_credentials { wiring::faults(case, image) } else { Vec::new() };
    if !faults.is_empty() {
        return faults;
    }
    let mut finding = here::told(case, image, code, note);
    if code == Code::NO_PERMISSION || code == Code::ANONYMOUS {
        finding.certainty = Certainty::Possible;
        finding = finding
            .or_else(Code::NO_REPOSITORY, "whether the repository exists: let the registry be asked, or ask its owner");
    }
    vec![finding]
}

/// Whether the kubelet has already said that it failed.
fn has_failed(complaint: Option<&Complaint>) -> bool {
    complaint.is_some_and(|complaint| !complaint.reason.is_empty())
}
