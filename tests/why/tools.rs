//! What other tools say of the kubelet's words, by their published rules, written down here as data of our own.
//!
//! Where a rule leaves room, it is read in the other's favour. Read in November 2026:
//! k8sgpt-ai/k8sgpt `pkg/analyzer/pod.go` (78126b23); robusta-dev/robusta
//! `src/robusta/core/playbooks/pod_utils/imagepull_utils.py` (0a58c23b); derailed/popeye `internal/lint/container.go` and
//! `container_status.go` (6df48cb4, 941a9db5); iyedM/kubectl-whyfail `internal/rules/imagepull.go` (67504ccc);
//! rameshsurapathi/kubectl-why `pkg/analyzer/rule_image.go` (1307c9a0).

use crate::texts::Text;

/// What a tool says.
pub(crate) enum Says {
    /// Nothing.
    Nothing,
    /// The kubelet's words again, or a part of them.
    Again(&'static str),
    /// A cause, or several that it does not tell apart.
    Cause(&'static str, &'static [&'static str]),
}

pub(crate) type Tool = (&'static str, fn(&Text) -> Says);

pub(crate) const TOOLS: [Tool; 5] = [
    ("k8sgpt", k8sgpt),
    ("robusta", robusta),
    ("popeye", popeye),
    ("kubectl-whyfail", whyfail),
    ("kubectl-why", kubectl_why),
];

/// That something about credentials or rights is wrong.
const LOGIN: &[&str] = &[
    "PM201", "PM202", "PM203", "PM204", "PM205", "PM207", "PM209", "PM210", "PM211", "PM301", "PM302", "PM303",
    "PM304", "PM305", "PM306", "PM307",
];
const LOGIN_OR_ABSENT: &[&str] = &[
    "PM102", "PM103", "PM104", "PM105", "PM106", "PM201", "PM202", "PM203", "PM204", "PM205", "PM207", "PM209",
    "PM210", "PM211", "PM301", "PM302", "PM303", "PM304", "PM305", "PM306", "PM307",
];
const ABSENT: &[&str] = &["PM102", "PM103", "PM104", "PM105", "PM106"];
const NETWORK: &[&str] = &["PM501", "PM502", "PM503", "PM504", "PM505"];

fn is_backing_off(text: &Text) -> bool {
    text.reason == "ImagePullBackOff"
}

fn k8sgpt(text: &Text) -> Says {
    let reasons = ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"];
    if reasons.contains(&text.reason.as_str()) { Says::Again("message") } else { Says::Nothing }
}

fn robusta(text: &Text) -> Says {
    let beginnings = ["Unknown", "NotFound"]
        .map(|code| format!("Failed to pull image \"{}\": rpc error: code = {code} desc = ", text.image));
    let event = text.event.as_deref().filter(|_| is_backing_off(text));
    let Some(error) = event.and_then(|event| beginnings.iter().find_map(|beginning| event.strip_prefix(beginning)))
    else {
        return Says::Nothing;
    };
    let is_resolving =
        error.starts_with("failed to pull and unpack image") && error.contains("failed to resolve reference");
    if is_resolving && error.ends_with(": not found") {
        Says::Cause("repository, image or tag is missing", ABSENT)
    } else if is_resolving && error.ends_with("insufficient_scope: authorization failed") {
        Says::Cause("not authorized, or no such image", LOGIN_OR_ABSENT)
    } else if is_resolving && error.ends_with("failed to fetch anonymous token: unexpected status: 403 Forbidden") {
        Says::Cause("not authorized", LOGIN)
    } else {
        Says::Again("message")
    }
}

fn popeye(text: &Text) -> Says {
    match text.image.split_once(':') {
        None => Says::Cause("untagged image", &["PM105"]),
        Some((_, "latest")) => Says::Cause("tag latest", &["PM105"]),
        Some(_) => Says::Again("reason"),
    }
}

fn whyfail(text: &Text) -> Says {
    let words = text.event.as_ref().unwrap_or(&text.message).to_lowercase();
    let say = |fragments: &[&str]| fragments.iter().any(|fragment| words.contains(fragment));
    if say(&["no matching manifest for", "no match for platform in manifest", "image platform"]) {
        return Says::Cause("other architecture", &["PM601"]);
    }
    let reasons = ["ImagePullBackOff", "InvalidImageName", "RegistryUnavailable", "ImageInspectError"];
    if text.event.is_none() && !reasons.contains(&text.reason.as_str()) {
        return Says::Nothing;
    }
    let login = ["unauthorized", "authentication required", "pull access denied", "denied: requested access"];
    let absent = ["not found", "manifest unknown", "manifest for", "does not exist", "404"];
    let network = ["no such host", "dial tcp", "connection refused", "timeout", "certificate", "x509", "tls"];
    if text.reason == "InvalidImageName" {
        Says::Cause("invalid name", &["PM101"])
    } else if say(&login) || say(&["403 forbidden", "no basic auth credentials"]) {
        Says::Cause("no or wrong credentials", LOGIN)
    } else if say(&absent) {
        Says::Cause("repository or tag is missing", ABSENT)
    } else if say(&network) {
        Says::Cause("network or TLS", NETWORK)
    } else {
        Says::Again("message")
    }
}

fn kubectl_why(text: &Text) -> Says {
    if is_backing_off(text) { Says::Again("72 characters") } else { Says::Nothing }
}
