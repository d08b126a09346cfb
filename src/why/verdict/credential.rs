//! The registry denies the image to whoever asked.

use jiff::{SignedDuration, Timestamp};

use crate::why::answer::{Answer, Outcome, Words};
use crate::why::case::Case;
use crate::why::catalogue::Code;
use crate::why::evidence::{Evidence, Tried, is_past, logins};
use crate::why::finding::{Certainty, Finding};
use crate::why::login::Facts;
use crate::why::message;
use crate::why::reference::Reference;

use super::{here, registry, shell, wiring, words};

/// How long ECR's tokens live.
const ECR_LIFE: SignedDuration = SignedDuration::from_hours(12);

/// All that was tried was refused.
pub(super) fn refused(case: &Case, image: &Reference, evidence: &Evidence, now: Timestamp) -> Vec<Finding> {
    let trails = || evidence.tried.iter().flat_map(|tried| words::tried(tried, now));
    let mut findings = match evidence.tried.iter().find(|tried| tried.login.is_some()) {
        None => nobody(case, image, evidence),
        Some(first) => {
            // What was seen to open the image comes first.
            let mut findings: Vec<_> = hidden(case, evidence).into_iter().collect();
            findings.push(with_login(case, image, evidence, first, now));
            findings
        }
    };
    if let Some(first) = findings.first_mut() {
        first.evidence.extend(trails());
        let opens = evidence.others.iter().filter(|tried| tried.found()).filter_map(|tried| tried.login.as_ref());
        first
            .evidence
            .extend(opens.map(|login| format!("Secret {} opens it, and the pod does not name it", login.secret)));
        if evidence.anonymous.as_ref().is_some_and(Tried::found) {
            first.evidence.push("the image is public: without this credential it would be pulled".to_owned());
        }
        if let Some((name, why)) = case.wiring.unreadable() {
            first.certainty = Certainty::Possible;
            first.evidence.push(format!("Secret {name} could not be read, so its credentials were not tried: {why}"));
        }
    }
    findings
}

/// The kubelet has no credential for this registry.
fn nobody(case: &Case, image: &Reference, evidence: &Evidence) -> Vec<Finding> {
    let words = evidence.tried.first().map(|tried| said(&tried.answer)).unwrap_or_default();
    if let Some(finding) = by_words(image, &words) {
        return vec![finding];
    }
    let faults = wiring::faults(case, image);
    if faults.first().is_some_and(|fault| fault.certainty == Certainty::Certain) {
        return faults;
    }
    if let Some(elsewhere) = &evidence.elsewhere {
        return vec![registry::short_name(case, image, Some(elsewhere))];
    }
    if let Some((secret, _)) = case.wiring.unreadable() {
        return vec![unread(case, image, secret)];
    }
    let sentence = words::no_credential(image);
    let finding = Finding::new(Code::ANONYMOUS, Certainty::Likely, sentence);
    let told_by = "whether the repository exists: look there, or ask with a credential (--secret)";
    let finding = finding
        .shown_by(["credentials of the node itself are not known here".to_owned()])
        .command(shell::give_secret(case, &wiring::server(image)))
        .or_else(Code::NO_REPOSITORY, told_by);
    let mut findings = vec![finding];
    if image.is_domain_implied && wiring::has_others_only(case) {
        findings.insert(0, registry::short_name(case, image, None));
    }
    findings.extend(faults);
    findings
}

/// The kubelet may have a credential in a Secret that cannot be read here. Its own words may tell what became of it.
fn unread(case: &Case, image: &Reference, secret: &str) -> Finding {
    let heard = case.complaint.as_ref().and_then(|complaint| message::heard(&complaint.message, image));
    if let Some(code) = heard.filter(|code| [Code::EXPIRED, Code::WRONG_CREDENTIAL].contains(code)) {
        return here::told(case, image, code, "");
    }
    let (host, namespace) = (&image.domain, shell::quote(&case.subject.namespace));
    let sentence = format!(
        "{host} does not give {} without a credential, and whether Secret {secret} opens it cannot be seen without reading it",
        image.name()
    );
    Finding::new(Code::NO_PERMISSION, Certainty::Possible, sentence)
        .cured_by("ask as somebody who may read the Secret")
        .command(format!("pullmint why -n {namespace} {}", shell::quote(&case.subject.pod)))
        .or_else(Code::NO_REPOSITORY, "whether the repository exists: its owner sees it")
}

/// A credential that the kubelet does not come to would do.
fn hidden(case: &Case, evidence: &Evidence) -> Option<Finding> {
    let good = evidence.hidden.iter().find(|tried| tried.found())?.login.as_ref()?;
    let bad = evidence.tried.iter().find_map(|tried| tried.login.as_ref())?;
    let sentence = format!(
        "the key {:?} of Secret {} is refused and keeps {:?} of Secret {}, which is good, from being tried",
        bad.key, bad.secret, good.key, good.secret
    );
    let finding = Finding::new(Code::HIDDEN, Certainty::Certain, sentence);
    let finding = finding.cured_by(format!("remove the key {:?} from Secret {}", bad.key, bad.secret));
    Some(finding.command(format!(
        "kubectl -n {} edit secret {}",
        shell::quote(&case.subject.namespace),
        shell::quote(&bad.secret)
    )))
}

/// The foremost credential, and why it does not open the image.
fn with_login(case: &Case, image: &Reference, evidence: &Evidence, first: &Tried, now: Timestamp) -> Finding {
    // A credential that the registry knows, without the right, says more than one that it does not know.
    let denied = |tried: &&Tried| matches!(tried.answer.outcome, Outcome::Denied(_)) && tried.login.is_some();
    let tried = evidence.tried.iter().find(denied).filter(|_| !is_stale(first, now)).unwrap_or(first);
    let Some(facts) = &tried.login else { return wiring_unknown(image) };
    let (host, words) = (&image.domain, said(&tried.answer));
    let Facts { secret, username, .. } = facts;
    let with = |code, certainty, sentence: String| Finding::new(code, certainty, sentence);

    if let Some(namespaces) = case.wiring.managed.get(secret).filter(|_| !facts.is_managed) {
        let sentence = format!("Secret {secret} is not pullmint's here, and its credential is refused by {host}");
        let shown = format!("pullmint keeps a Secret of this name in {}", words::list(namespaces));
        return with(Code::NOT_OURS, Certainty::Certain, sentence)
            .shown_by([shown])
            .cured_by("let pullmint take it over, or give it another name")
            .command(shell::adopt(case, secret));
    }
    let is_late = facts.written.as_ref().is_some_and(|(at, _)| now.duration_since(*at) > ECR_LIFE);
    let is_ecr = host.contains(".dkr.ecr");
    let says_expired = words.say(&["expired"]);
    if is_past(facts.expires, now) || says_expired || (is_ecr && is_late && !words.say(&["not authorized"])) {
        let sentence = format!("the credential for {host} in Secret {secret} has expired");
        let certainty =
            if is_past(facts.expires, now) || says_expired { Certainty::Certain } else { Certainty::Likely };
        return match facts.is_managed {
            true => {
                let sentence = format!("{sentence}, and pullmint has not renewed it");
                with(Code::NOT_RENEWED, certainty, sentence).command("pullmint check --config DIR")
            }
            false => with(Code::EXPIRED, certainty, sentence).command(renew(case, image, secret)),
        };
    }
    let clock = tried.answer.date.unwrap_or(now);
    if let Some(begin) = facts.begins.filter(|begin| *begin > clock + SignedDuration::from_secs(60)) {
        let sentence = format!(
            "the credential for {host} in Secret {secret} is valid only from {begin:.0}, by its issuer's clock"
        );
        return with(Code::CLOCK_SKEW, Certainty::Certain, sentence);
    }
    if let Some(other) = for_another(case, image, facts) {
        let sentence = format!("the credential for {host} in Secret {secret} is for {other}");
        return with(Code::OTHER_ACCOUNT, Certainty::Certain, sentence).command(renew(case, image, secret));
    }
    if let Some(finding) = by_words(image, &words) {
        return finding;
    }
    let knows_the_caller = words.say(&["not authorized to perform"]);
    let is_login_itself = matches!(tried.answer.outcome, Outcome::LoginRefused(_)) || words.say(&["token is invalid"]);
    if is_login_itself && !knows_the_caller {
        let sentence =
            format!("{host} refuses user {username:?} with the password in Secret {secret}: wrong or revoked");
        return with(Code::WRONG_CREDENTIAL, Certainty::Certain, sentence).command(renew(case, image, secret));
    }
    let sentence = format!("user {username:?} of Secret {secret} may not pull {} from {host}", image.path);
    let finding =
        with(Code::NO_PERMISSION, if knows_the_caller { Certainty::Certain } else { Certainty::Likely }, sentence);
    let finding = finding.cured_by(grant(image));
    match knows_the_caller {
        true => finding,
        false => finding.or_else(Code::NO_REPOSITORY, "whether the repository exists: its owner sees it"),
    }
}

fn is_stale(tried: &Tried, now: Timestamp) -> bool {
    tried.login.as_ref().is_some_and(|facts| is_past(facts.expires, now))
}

fn wiring_unknown(image: &Reference) -> Finding {
    Finding::new(Code::UNKNOWN, Certainty::Possible, format!("{image} is denied"))
}

fn said(answer: &Answer) -> Words {
    match &answer.outcome {
        Outcome::Denied(words) | Outcome::LoginRefused(words) | Outcome::Throttled(words, _) => words.clone(),
        _ => Words::default(),
    }
}

/// Refusals that have nothing to do with who asks.
fn by_words(image: &Reference, words: &Words) -> Option<Finding> {
    let host = &image.domain;
    if words.say(&["is not allowed access", "firewall", "not allowed to access", "private endpoint"]) {
        let sentence = format!("{host} does not serve this network");
        return Some(Finding::new(Code::NETWORK_RULE, Certainty::Certain, sentence));
    }
    let is_policy = words.status == 412 || words.say(&["quarantin", "policy", "vulnerabilit", "not signed"]);
    (is_policy && !words.say(&["resource-based policy", "identity-based policy"]))
        .then(|| Finding::new(Code::POLICY, Certainty::Certain, format!("a policy of {host} keeps {image} back")))
}

/// For whom a credential is, if not for the image's registry.
fn for_another(case: &Case, image: &Reference, facts: &Facts) -> Option<String> {
    let host = &image.domain;
    if let Some(audience) = &facts.audience
        && audience.contains(".azurecr.")
        && audience != host
    {
        return Some(audience.clone());
    }
    let is_ecr = host.contains(".dkr.ecr");
    if facts.username == "AWS" && !is_ecr && host != "public.ecr.aws" {
        return Some("Amazon ECR".to_owned());
    }
    if !is_ecr {
        return None;
    }
    // The same token under the keys of two regions: it is good in one of them.
    let region = |key: &str| key.split(".ecr.").nth(1).and_then(|rest| rest.split('.').next().map(str::to_owned));
    let logins = case.wiring.secrets().flat_map(logins);
    let same = logins.filter(|login| Facts::of(login, None).fingerprint == facts.fingerprint);
    let wanted = region(host);
    same.map(|login| login.key).find(|key| region(key).is_some() && region(key) != wanted)
}

/// Makes the credential anew, in the way of the registry.
fn renew(case: &Case, image: &Reference, secret: &str) -> String {
    shell::renew_ecr(case, image, secret).unwrap_or_else(|| shell::replace_secret(case, secret, &wiring::server(image)))
}

/// The right that is missing, as the registry calls it.
fn grant(image: &Reference) -> String {
    let (host, path) = (&image.domain, &image.path);
    if host.contains(".dkr.ecr") {
        format!("allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on repository {path}")
    } else if host.contains(".azurecr.") {
        format!("give the identity the role AcrPull on {host}, or repository-scoped read access to {path}")
    } else if image.is_docker_hubs() {
        format!("give the user's team read access to {path} on Docker Hub")
    } else {
        format!("give the user the right to pull {path} at {host}")
    }
}
