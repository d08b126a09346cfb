//! What is told without the registry, or although it gives the image.

use crate::why::answer::{Manifest, Outcome, Platform};
use crate::why::case::Case;
use crate::why::catalogue::Code;
use crate::why::evidence::{Evidence, Tried};
use crate::why::finding::{Certainty, Finding};
use crate::why::message;
use crate::why::reference::{Invalid, Reference};

use super::{shell, words};

pub(super) fn invalid(case: &Case, invalid: &Invalid) -> Finding {
    let sentence = format!("{:?} is no image's name: {}", case.image, invalid.why);
    let corrected = case.image.trim().to_lowercase();
    let finding = Finding::new(Code::INVALID_REFERENCE, Certainty::Certain, sentence);
    let finding = finding.shown_by(invalid.pointed_at(&case.image));
    match Reference::parse(&corrected).ok().and_then(|_| shell::set_image(case, &corrected)) {
        Some(command) => finding.cured_by(format!("write it as {corrected}")).command(command),
        None => finding,
    }
}

pub(super) fn never_pulled(case: &Case) -> Finding {
    let sentence = format!("{} is not on the node for this pod, and its pull policy is Never", case.image);
    let finding = Finding::new(Code::NEVER_PULLED, Certainty::Certain, sentence);
    let note =
        "the kubelet says the same where the image is there but was pulled with a credential that this pod lacks";
    finding.shown_by([note.to_owned()]).shown_by(words::kubelets(case))
}

/// Troubles that only the node has.
pub(super) fn is_nodes_own(code: Code) -> bool {
    [Code::DISK_FULL, Code::NODE_THROTTLED, Code::SHORT_NAMES_FORBIDDEN].contains(&code)
}

/// Troubles between the node and the registry.
pub(super) fn is_of_the_way(code: Code) -> bool {
    let codes =
        [Code::DNS, Code::UNREACHABLE, Code::TLS, Code::PLAIN_HTTP, Code::PROXY, Code::CLOCK_SKEW, Code::OUTAGE];
    codes.contains(&code)
}

/// A cause that the kubelet's message alone tells.
pub(super) fn told(case: &Case, image: &Reference, code: Code, note: &str) -> Finding {
    let host = &image.domain;
    let sentence = match code {
        Code::DISK_FULL => format!("the disk of node {} is full", case.subject.node.as_deref().unwrap_or("?")),
        Code::NODE_THROTTLED => "the node begins no more pulls for the moment (registryPullQPS)".to_owned(),
        Code::SHORT_NAMES_FORBIDDEN => {
            format!("the node takes no short names, and {} has no registry's host", case.image)
        }
        Code::DNS => format!("the node finds no address for {host}"),
        Code::UNREACHABLE => format!("the node does not reach {host}"),
        Code::TLS => format!("the node does not trust the certificate of {host}"),
        Code::CLOCK_SKEW => format!("to the node the certificate of {host} is not valid yet: its clock is behind"),
        Code::PLAIN_HTTP => format!("the node and {host} do not agree on HTTP or HTTPS"),
        Code::PROXY => match message::detour(&complaint(case).to_lowercase(), image) {
            Some(detour) => format!("the node asks {detour} instead of {host}, and that fails"),
            None => format!("the node's proxy does not connect to {host}"),
        },
        Code::OUTAGE => format!("{host} answered the node with a server error"),
        Code::THROTTLED => format!("{host} gives the node no more pulls for now"),
        Code::NETWORK_RULE => format!("{host} does not serve the node's network"),
        Code::POLICY => format!("a policy forbids {image}"),
        Code::PLATFORM => format!("{image} is not made for the node's platform{}", platform(case)),
        Code::UNSUPPORTED => format!("{image} is of a kind that the node's container runtime does not take"),
        Code::BLOB_MISSING => format!("{host} lacks a part of {image}"),
        Code::NO_TAG | Code::NO_LATEST | Code::NO_DIGEST => format!("{host} has no {image}"),
        Code::NO_REPOSITORY => format!("{host} has no repository {}", image.path),
        Code::NO_PERMISSION => format!("{host} does not give {image} to this pod, or has none"),
        Code::ANONYMOUS => words::no_credential(image),
        Code::EXPIRED => format!("the pod's credential for {host} has expired"),
        Code::WRONG_CREDENTIAL => format!("{host} refuses the pod's credential"),
        _ => format!("{}: {}", code.entry().title, case.image),
    };
    let certainty = if is_nodes_own(code) || code == Code::POLICY { Certainty::Certain } else { Certainty::Likely };
    let note = (!note.is_empty()).then(|| note.to_owned());
    Finding::new(code, certainty, sentence).shown_by(note)
}

fn complaint(case: &Case) -> &str {
    case.complaint.as_ref().map(|complaint| complaint.message.as_str()).unwrap_or_default()
}

fn platform(case: &Case) -> String {
    case.platform.as_ref().map(|platform| format!(" ({platform})")).unwrap_or_default()
}

pub(super) fn unknown(case: &Case, image: &Reference) -> Finding {
    let sentence = format!("{image} does not pull, and nothing that was seen says why");
    Finding::new(Code::UNKNOWN, Certainty::Possible, sentence)
        .shown_by(case.wiring.unreadable().map(|(name, why)| format!("Secret {name} could not be read: {why}")))
}

/// The registry gives the image to one of the pod's credentials.
pub(super) fn opened(
    case: &Case,
    image: &Reference,
    evidence: &Evidence,
    opened: &Tried,
    heard: Option<Code>,
) -> Vec<Finding> {
    let Outcome::Found(manifest) = &opened.answer.outcome else { return Vec::new() };
    if let Some(finding) = inside(case, image, manifest) {
        return vec![finding.shown_by(words::trail(&opened.answer))];
    }
    if let Some(quota) = opened.answer.quota.as_ref().filter(|quota| quota.remaining == 0) {
        let whose = quota.source.as_deref().map(|source| format!(" for {source}")).unwrap_or_default();
        let sentence = format!("{} gives no more pulls for now{whose}", image.domain);
        let finding = Finding::new(Code::THROTTLED, Certainty::Certain, sentence);
        return vec![finding.shown_by(words::trail(&opened.answer))];
    }
    if !super::has_failed(case.complaint.as_ref()) {
        return Vec::new();
    }
    let seen = format!(
        "from here {} gives the image to {}",
        image.domain,
        match &opened.login {
            Some(login) => format!("Secret {}, key {:?}, user {:?}", login.secret, login.key, login.username),
            None => "everybody".to_owned(),
        }
    );
    let others = (!case.runs_on.is_empty()).then(|| format!("the same image runs on {}", words::list(&case.runs_on)));
    match heard {
        Some(code) if is_of_the_way(code) || [Code::THROTTLED, Code::NETWORK_RULE].contains(&code) => {
            vec![told(case, image, code, "").shown_by([seen]).shown_by(others)]
        }
        Some(code) if [Code::PLATFORM, Code::UNSUPPORTED, Code::BLOB_MISSING, Code::POLICY].contains(&code) => {
            vec![told(case, image, code, "").shown_by([seen])]
        }
        None if case.is_disk_full => {
            vec![told(case, image, Code::DISK_FULL, "the node reports DiskPressure").shown_by([seen])]
        }
        _ if !case.runs_on.is_empty() && is_still_failing(case) => {
            let node = case.subject.node.as_deref().unwrap_or("this node");
            let sentence = format!("{image} fails on node {node} and runs on {}", words::list(&case.runs_on));
            vec![Finding::new(Code::SOME_NODES, Certainty::Likely, sentence).shown_by([seen])]
        }
        None if !complaint(case).is_empty() && !complaint(case).starts_with("Back-off pulling image") => {
            vec![unknown(case, image).shown_by([seen])]
        }
        _ => {
            let was_absent = heard.is_some_and(|code| {
                [Code::NO_REPOSITORY, Code::NO_TAG, Code::NO_LATEST, Code::NO_DIGEST].contains(&code)
            });
            let sentence = match was_absent {
                true => format!("{image} was not there when the kubelet last tried; it has been pushed since"),
                false => format!("{image} can be pulled by now: the kubelet has not tried again yet"),
            };
            let finding = Finding::new(Code::MENDED, Certainty::Certain, sentence);
            let refused = evidence.tried.iter().filter(|tried| !tried.found());
            let refused = refused.filter_map(|tried| tried.login.as_ref());
            let finding =
                finding.shown_by([seen]).shown_by(refused.map(|login| {
                    format!("Secret {}, key {:?} is tried as well, and refused", login.secret, login.key)
                }));
            vec![match shell::recreate(case) {
                Some(command) => finding.cured_by("wait, or let a new pod pull at once").command(command),
                None => finding,
            }]
        }
    }
}

/// After several attempts it is not the lateness of the last one.
fn is_still_failing(case: &Case) -> bool {
    let attempts = case.complaint.as_ref().and_then(|complaint| complaint.attempts);
    attempts.is_none_or(|attempts| attempts.count > 2)
}

/// What is wrong with the image itself.
pub(super) fn inside(case: &Case, image: &Reference, manifest: &Manifest) -> Option<Finding> {
    if let Some(why) = &manifest.unsupported {
        return Some(Finding::new(Code::UNSUPPORTED, Certainty::Certain, format!("{image} cannot be run: {why}")));
    }
    if let Some(blob) = &manifest.missing_blob {
        let sentence = format!("{} lacks a part of {image}: {}", image.domain, words::digest(blob));
        return Some(Finding::new(Code::BLOB_MISSING, Certainty::Certain, sentence));
    }
    let (node, platforms) = (case.platform.as_ref()?, manifest.platforms.as_ref()?);
    if platforms.iter().any(|platform| node.runs(platform)) {
        return None;
    }
    let made_for = words::list(&platforms.iter().map(ToString::to_string).collect::<Vec<_>>());
    let made_for = if made_for.is_empty() { "no platform at all".to_owned() } else { made_for };
    let sentence = format!("{image} is made for {made_for}, and the node is {node}");
    let finding = Finding::new(Code::PLATFORM, Certainty::Certain, sentence);
    Some(match platforms.first() {
        Some(first) => finding.cured_by(choose(node, first)),
        None => finding,
    })
}

fn choose(node: &Platform, image: &Platform) -> String {
    format!("build it for {node} too, or choose nodes: nodeSelector kubernetes.io/arch: {}", image.architecture)
}
