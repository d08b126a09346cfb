//! The registry answers, and it is not about credentials.

use crate::why::answer::{Answer, Flaw, Missing, Outcome, Trouble};
use crate::why::case::Case;
use crate::why::catalogue::Code;
use crate::why::evidence::Evidence;
use crate::why::finding::{Certainty, Finding};
use crate::why::message;
use crate::why::reference::Reference;
use crate::why::tags;

use super::{here, shell, words};

/// How many tags are shown of a repository.
const MOST_TAGS: usize = 5;

/// It does not have the image.
pub(super) fn missing(case: &Case, image: &Reference, evidence: &Evidence, missing: &Missing) -> Vec<Finding> {
    let host = &image.domain;
    let trail = evidence.tried.first().map(|tried| words::trail(&tried.answer)).unwrap_or_default();
    if let Some(elsewhere) = &evidence.elsewhere {
        return vec![short_name(case, image, Some(elsewhere)).shown_by(trail)];
    }
    let is_nobody = evidence.tried.iter().all(|tried| tried.login.is_none());
    match missing {
        Missing::Manifest { tags } => vec![no_manifest(case, image, evidence, tags).shown_by(trail)],
        Missing::Repository | Missing::Either => {
            let sentence = format!("{host} has no repository {}", image.path);
            let certainty = if is_nobody { Certainty::Possible } else { Certainty::Likely };
            let finding = Finding::new(Code::NO_REPOSITORY, certainty, sentence).shown_by(trail);
            let told_by = match is_nobody {
                true => "whether it exists for those who log in: ask with a credential (--secret)",
                false => "whether the credential's owner sees the repository when logged in",
            };
            vec![finding.or_else(if is_nobody { Code::ANONYMOUS } else { Code::NO_PERMISSION }, told_by)]
        }
    }
}

fn no_manifest(case: &Case, image: &Reference, evidence: &Evidence, tags: &[String]) -> Finding {
    let (host, path) = (&image.domain, &image.path);
    let code = message::absent(image);
    if code == Code::NO_DIGEST {
        let digest = image.digest.as_deref().unwrap_or_default();
        let sentence = format!("{host} has no {} in repository {path}", words::digest(digest));
        let finding = Finding::new(code, Certainty::Certain, sentence);
        let current = evidence.by_tag.as_ref().and_then(|answer| match &answer.outcome {
            Outcome::Found(manifest) => manifest.digest.clone(),
            _ => None,
        });
        let (Some(current), Some(tag)) = (current, &image.tag) else { return finding };
        let wanted = format!("{}@{current}", image.with_tag(tag));
        let finding = finding.cured_by(format!("the tag {tag} has the digest {} now", words::digest(&current)));
        return match shell::set_image(case, &wanted) {
            Some(command) => finding.command(command),
            None => finding,
        };
    }
    let tag = image.tag.as_deref().unwrap_or("latest");
    let sentence = match code == Code::NO_LATEST {
        true => format!("{} means :latest, and {host} has no such tag in repository {path}", case.image),
        false => format!("{host} has no tag {tag:?} in repository {path}"),
    };
    let finding = Finding::new(code, Certainty::Certain, sentence);
    let near = match code == Code::NO_LATEST {
        true => tags::newest(tags).into_iter().collect(),
        false => tags::nearest(tag, tags),
    };
    let Some(best) = near.first() else {
        return if tags.is_empty() {
            finding.shown_by(["the repository's tags could not be listed, or it has none".to_owned()])
        } else {
            finding.shown_by([some_tags(tags)])
        };
    };
    let meant: Vec<_> = near.iter().map(|tag| (*tag).to_owned()).collect();
    let finding = finding.shown_by([some_tags(tags)]).cured_by(format!("did you mean {}?", meant.join(", ")));
    match shell::set_image(case, &image.with_tag(best)) {
        Some(command) => finding.command(command),
        None => finding,
    }
}

fn some_tags(tags: &[String]) -> String {
    let shown = tags.iter().rev().take(MOST_TAGS).cloned().collect::<Vec<_>>().join(", ");
    let more = if tags.len() > MOST_TAGS { format!(" and {} more", tags.len() - MOST_TAGS) } else { String::new() };
    format!("the repository has {shown}{more}")
}

/// A name without host, which means Docker Hub's.
pub(super) fn short_name(case: &Case, image: &Reference, elsewhere: Option<&str>) -> Finding {
    let sentence =
        format!("{} has no registry's host, so it means {}, which Docker Hub does not give", case.image, image.name());
    let certainty = if elsewhere.is_some() { Certainty::Certain } else { Certainty::Possible };
    let finding = Finding::new(Code::SHORT_NAME, certainty, sentence);
    let Some(elsewhere) = elsewhere else { return finding };
    let finding = finding
        .shown_by([format!("{elsewhere} exists, and the pod's credential opens it")])
        .cured_by(format!("write {elsewhere}"));
    match shell::set_image(case, elsewhere) {
        Some(command) => finding.command(command),
        None => finding,
    }
}

/// It answers, and gives nothing to anybody for now.
pub(super) fn refused(image: &Reference, answer: &Answer) -> Vec<Finding> {
    let host = &image.domain;
    let finding = match &answer.outcome {
        Outcome::Throttled(_, wait) => {
            let wait = wait.map(|wait| format!("; it asks to wait {} s", wait.as_secs())).unwrap_or_default();
            Finding::new(Code::THROTTLED, Certainty::Certain, format!("{host} gives no more pulls for now{wait}"))
        }
        outcome => {
            Finding::new(Code::OUTAGE, Certainty::Certain, format!("{host} is in trouble: {}", words::outcome(outcome)))
        }
    };
    vec![finding.shown_by(words::trail(answer))]
}

/// It gives no answer here, and the kubelet says nothing else.
pub(super) fn silent(case: &Case, image: &Reference, answer: &Answer) -> Vec<Finding> {
    let host = &image.domain;
    let code = match &answer.outcome {
        Outcome::Unreachable(Trouble::Dns) => Code::DNS,
        Outcome::Unreachable(Trouble::Certificate(Flaw::NotYetValid)) => Code::CLOCK_SKEW,
        Outcome::Unreachable(Trouble::Certificate(_) | Trouble::Tls(_)) => Code::TLS,
        Outcome::Unreachable(Trouble::PlainHttp) => Code::PLAIN_HTTP,
        Outcome::Unreachable(Trouble::Proxy) => Code::PROXY,
        Outcome::Unreachable(Trouble::Refused | Trouble::Timeout | Trouble::Reset | Trouble::Other(_)) => {
            Code::UNREACHABLE
        }
        _ => Code::UNKNOWN,
    };
    // Where the node's message speaks of the way too, both see the same.
    let heard = case.complaint.as_ref().and_then(|complaint| message::heard(&complaint.message, image));
    if let Some(heard) = heard.filter(|heard| *heard != code) {
        let note = format!("from here: {}", words::outcome(&answer.outcome));
        return vec![here::told(case, image, heard, &note).shown_by(words::trail(answer))];
    }
    let certainty = match (code, heard) {
        (Code::UNKNOWN, _) => Certainty::Possible,
        (_, Some(_)) => Certainty::Certain,
        (_, None) => Certainty::Likely,
    };
    let sentence = match code {
        Code::UNKNOWN => format!("{host} cannot be asked: {}", words::outcome(&answer.outcome)),
        _ => format!("{host} cannot be reached: {}", words::outcome(&answer.outcome)),
    };
    vec![Finding::new(code, certainty, sentence).shown_by(words::trail(answer))]
}
