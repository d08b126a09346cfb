//! The kubelet has no credential for the image: where it got lost.

use crate::why::case::{Case, State};
use crate::why::catalogue::Code;
use crate::why::evidence::logins;
use crate::why::finding::{Certainty, Finding};
use crate::why::keyring::{
    self, Broken, Content, DOCKER_CONFIG_JSON, Fault, Ignored, Keyring, Location, Login, Mismatch, has_helpers,
};
use crate::why::reference::Reference;

use super::{shell, words};

/// Secrets of which one makes the kubelet give up on all.
pub(super) fn broken(case: &Case, broken: &Broken) -> Finding {
    let Broken { secret, fault } = broken;
    let (code, what) = match fault {
        Fault::Syntax { line, column } => {
            (Code::SECRET_BROKEN, format!("it is no JSON from line {line}, column {column}"))
        }
        Fault::Form(what) => (Code::SECRET_BROKEN, what.clone()),
        Fault::Base64 { key } => (Code::AUTH_FIELD, format!("`auth` of {key:?} is not Base64")),
        Fault::NoColon { key } => (Code::AUTH_FIELD, format!("`auth` of {key:?} is not `username:password` in Base64")),
    };
    let sentence =
        format!("Secret {secret} cannot be read, so the kubelet uses none of the pod's pull Secrets: {what}");
    let server = case.reference.as_ref().map(server).unwrap_or_default();
    let finding = Finding::new(code, Certainty::Certain, sentence);
    finding.command(shell::replace_secret(case, secret, &server)).shown_by(words::kubelets(case))
}

/// Under which server the kubelet finds a credential for an image.
pub(super) fn server(image: &Reference) -> String {
    if image.is_docker_hubs() { "https://index.docker.io/v1/".to_owned() } else { image.domain.clone() }
}

/// All that keeps the kubelet from having a credential for the image, the foremost first.
pub(super) fn faults(case: &Case, image: &Reference) -> Vec<Finding> {
    let wiring = &case.wiring;
    let name = image.name();
    let matches = |secret: &k8s_openapi::api::core::v1::Secret| {
        Keyring::of([secret]).is_ok_and(|keyring| !keyring.lookup(&name).is_empty())
    };
    if wiring.secrets().any(matches) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for wanted in &wiring.wanted {
        match &wanted.state {
            State::Missing => findings.push(missing(case, image, &wanted.name)),
            State::Unreadable(_) => {}
            State::Present(secret) => findings.extend(useless(case, image, &wanted.name, secret)),
        }
    }
    let account_secrets = wiring.account_secrets.as_deref().unwrap_or_default();
    let usable =
        |secret: &String| !wiring.names(secret) && wiring.present.get(secret).is_some_and(|secret| matches(secret));
    if let Some(secret) = account_secrets.iter().find(|secret| usable(secret)) {
        findings.push(match wiring.wanted.is_empty() {
            true => patched_late(case, secret),
            false => unused(case, secret, "the pod names Secrets of its own, so its ServiceAccount's are not added"),
        });
    } else if let Some(secret) = wiring.present.keys().find(|secret| usable(secret)) {
        findings.push(unused(case, secret, "neither the pod nor its ServiceAccount names it"));
    }
    // A Secret for another registry is not wrong; it only does not help.
    findings.sort_by_key(|finding| finding.certainty);
    findings
}

fn missing(case: &Case, image: &Reference, secret: &str) -> Finding {
    let namespace = &case.subject.namespace;
    let sentence = format!("namespace {namespace} has no Secret {secret}, which the pod names to pull");
    let finding = Finding::new(Code::SECRET_MISSING, Certainty::Certain, sentence);
    match case.wiring.managed.get(secret) {
        Some(namespaces) => finding
            .shown_by([format!("pullmint keeps a Secret of this name in {}", words::list(namespaces))])
            .cured_by(format!("let pullmint serve {namespace} too: `namespaces` in its configuration")),
        None => finding.command(shell::create_secret(case, secret, &server(image))),
    }
}

fn patched_late(case: &Case, secret: &str) -> Finding {
    let account = &case.wiring.account;
    let sentence =
        format!("the pod is older than the change by which ServiceAccount {account} came to name Secret {secret}");
    let finding = Finding::new(Code::PATCHED_LATE, Certainty::Certain, sentence);
    let finding = finding
        .shown_by([format!("the pod names no pull Secret; {account} names {secret}, which has a key for the image")]);
    match shell::recreate(case) {
        Some(command) => finding.command(command),
        None => finding,
    }
}

fn unused(case: &Case, secret: &str, why: &str) -> Finding {
    let sentence = format!("Secret {secret} has a key for this image, and the pod does not use it: {why}");
    let finding = Finding::new(Code::SECRET_UNUSED, Certainty::Certain, sentence);
    finding.command(shell::patch_account(case, secret))
}

/// Why a Secret that is there gives nothing for this image.
fn useless(case: &Case, image: &Reference, name: &str, secret: &k8s_openapi::api::core::v1::Secret) -> Option<Finding> {
    let replace = shell::replace_secret(case, name, &server(image));
    let kind = secret.type_.as_deref().unwrap_or_default();
    let certain = |code, sentence: String| Some(Finding::new(code, Certainty::Certain, sentence));
    match keyring::read(secret) {
        Ok(Content::Ignored(Ignored::Type)) => {
            let sentence =
                format!("Secret {name} has the type {kind}, and the kubelet takes only {}", DOCKER_CONFIG_JSON.0);
            let has_content = secret.data.as_ref().is_some_and(|data| data.contains_key(DOCKER_CONFIG_JSON.1));
            let command = if has_content { shell::retype_secret(case, name) } else { replace };
            Some(certain(Code::SECRET_TYPE, sentence)?.command(command))
        }
        Ok(Content::Ignored(why)) => {
            let keys: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
            let what = match why {
                Ignored::Empty => "nothing stands under its data key".to_owned(),
                _ => format!("of the type {kind} the kubelet reads another data key than {}", words::list(&keys)),
            };
            Some(certain(Code::SECRET_DATA_KEY, format!("Secret {name} is of no use: {what}"))?.command(replace))
        }
        Ok(Content::Logins(found)) if found.is_empty() && has_helpers(secret) => {
            let sentence =
                format!("Secret {name} leaves its credentials to a helper program, which the kubelet does not run");
            Some(certain(Code::HELPERS_ONLY, sentence)?.command(replace))
        }
        Ok(Content::Logins(found)) => mismatch(case, image, name, &found),
        Err(_) => None,
    }
}

/// The keys of a Secret, and why none matches.
fn mismatch(case: &Case, image: &Reference, secret: &str, found: &[Login]) -> Option<Finding> {
    let best = found.iter().max_by_key(|login| nearness(login, image))?;
    let right = server(image);
    let shown = found.iter().map(|login| format!("key {:?}: {}", login.key, rule(&login.location, image)));
    let (certainty, what) = match nearness(best, image) {
        0 => (Certainty::Possible, "is for other registries".to_owned()),
        _ => (
            Certainty::Certain,
            format!("has no key that the kubelet matches: {:?} {}", best.key, rule(&best.location, image)),
        ),
    };
    let sentence = format!("Secret {secret} {what}");
    let finding = Finding::new(Code::KEY_MISMATCH, certainty, sentence);
    let finding = finding.shown_by(shown.filter(|_| found.len() > 1));
    // Under another name a token of another account or region opens no more than before.
    if let Some(command) = shell::renew_ecr(case, image, secret).filter(|_| best.key.contains(".dkr.ecr.")) {
        return Some(
            finding.cured_by(format!("get a token for {right}: this one is for {}", best.key)).command(command),
        );
    }
    let finding = finding.cured_by(format!("write the key as {right:?}"));
    Some(finding.command(shell::rename_key(case, secret, &best.key, &right)))
}

/// How much a key looks as if it were meant for the image: 0 not at all.
fn nearness(login: &Login, image: &Reference) -> usize {
    let key = login.location.to_text();
    let host = |text: &str| {
        let authority = text.split('/').next().unwrap_or_default();
        authority.split(':').next().unwrap_or_default().trim_start_matches("www.").to_lowercase()
    };
    let (key, wanted) = (host(&key), host(&image.domain));
    let is_hub = |host: &str| host == "docker.com" || host.ends_with(".docker.com") || host.ends_with("docker.io");
    if key == wanted || (is_hub(&key) && is_hub(&wanted)) {
        return 3;
    }
    let site = |host: &str| host.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let is_ecr = |host: &str| host.contains(".dkr.ecr.");
    if is_ecr(&key) != is_ecr(&wanted) {
        return 0;
    }
    let is_typo = strsim::damerau_levenshtein(&key, &wanted) <= 2;
    usize::from(is_typo) * 2 + usize::from(site(&key) == site(&wanted) && wanted.contains('.'))
}

/// The first rule that a key breaks, for this image.
fn rule(location: &Location, image: &Reference) -> String {
    let text = location.to_text();
    let Some(mismatch) = location.mismatch(&image.name()) else { return "matches".to_owned() };
    if image.is_docker_hubs() && text.contains("docker.") {
        return match text.as_str() {
            "index.docker.io/v1" | "index.docker.io/v2" => {
                "lacks the slash at its end, without which the version is not cut off".to_owned()
            }
            _ => "is none of Docker Hub's keys: https://index.docker.io/v1/ or docker.io".to_owned(),
        };
    }
    match mismatch {
        Mismatch::Port => "names another port than the image, or one names none".to_owned(),
        Mismatch::Labels => "has another number of labels in its host".to_owned(),
        Mismatch::Path => "has a path with which the image's does not begin".to_owned(),
        Mismatch::Host => "names another host".to_owned(),
        Mismatch::Unreadable => "is no address".to_owned(),
    }
}

/// Whether every credential of the pod is for other registries.
pub(super) fn has_others_only(case: &Case) -> bool {
    let mut found = case.wiring.secrets().flat_map(logins).peekable();
    found.peek().is_some()
}
