//! What was seen, in words.

use jiff::Timestamp;

use crate::why::answer::{Answer, Missing, Outcome};
use crate::why::case::Case;
use crate::why::evidence::Tried;
use crate::why::login::Facts;
use crate::why::reference::Reference;

/// The longest message of a kubelet that is shown.
const LONGEST_MESSAGE: usize = 600;

/// What an answer comes to.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Found(_) => "it gives the image".to_owned(),
        Outcome::Missing(Missing::Repository) => "it has no such repository".to_owned(),
        Outcome::Missing(Missing::Manifest { .. }) => "it has no such image in this repository".to_owned(),
        Outcome::Missing(Missing::Either) => "it has no such image".to_owned(),
        Outcome::LoginRefused(words) => format!("it refuses the login: {words}"),
        Outcome::Denied(words) => format!("it denies the image: {words}"),
        Outcome::Throttled(words, _) => format!("it was asked too often: {words}"),
        Outcome::Failing(status) => format!("it answers with a server error: {status}"),
        Outcome::Unreachable(trouble) => trouble.to_string(),
        Outcome::Odd(why) => why.clone(),
    }
}

/// That there is none.
pub(super) fn no_credential(image: &Reference) -> String {
    let host = &image.domain;
    format!("{host} does not give {} without a credential, and the pod has none for {host}", image.name())
}

/// The credential that was used, and what was asked and answered.
pub(super) fn tried(tried: &Tried, now: Timestamp) -> Vec<String> {
    let who = match &tried.login {
        Some(facts) => login(facts, now),
        None => "asked without credential".to_owned(),
    };
    std::iter::once(who).chain(trail(&tried.answer)).collect()
}

/// What was asked and answered.
pub(super) fn trail(answer: &Answer) -> Vec<String> {
    let mut lines = answer.trail.clone();
    if let Outcome::Denied(words) | Outcome::LoginRefused(words) | Outcome::Throttled(words, _) = &answer.outcome {
        lines.push(format!("the registry says: {words}"));
    }
    if let Some(quota) = &answer.quota {
        let limit = quota.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        let window = quota.window_seconds.map(|seconds| format!(" in {} h", seconds / 3600)).unwrap_or_default();
        lines.push(format!("pulls left: {}{limit}{window}", quota.remaining));
    }
    lines
}

/// A credential, without its secret.
pub(super) fn login(facts: &Facts, now: Timestamp) -> String {
    let Facts { secret, key, username, fingerprint, .. } = facts;
    let mut text = format!("Secret {secret}, key {key:?}, user {username:?}, password sha256 {fingerprint}…");
    if let Some((at, by)) = &facts.written {
        let by = if by.is_empty() || by == "unknown" { String::new() } else { format!(" by {by}") };
        text.push_str(&format!(", written {}{by}", when(*at, now)));
    }
    match facts.expires {
        Some(end) if end <= now => text.push_str(&format!(", expired {}", when(end, now))),
        Some(end) => text.push_str(&format!(", expires {}", when(end, now))),
        None => {}
    }
    text
}

/// "2 h 14 min ago", "in 3 d 4 h".
pub(super) fn when(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let text = span(seconds.unsigned_abs());
    if seconds < 0 { format!("{text} ago") } else { format!("in {text}") }
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// What the kubelet said.
pub(super) fn kubelets(case: &Case) -> Option<String> {
    let is_telling =
        |message: &str| !message.is_empty() && message != format!("Back-off pulling image \"{}\"", case.image);
    let complaint = case.complaint.as_ref().filter(|complaint| is_telling(&complaint.message))?;
    let plain: String = complaint.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // The runtime names the image again and again before it comes to the point.
    let ways = ["failed to resolve reference \"", "failed to pull and unpack image \""];
    let point = ways.iter().find_map(|way| plain.rsplit_once(way)?.1.split_once("\": "));
    let plain = point.map_or_else(|| plain.clone(), |(_, point)| point.to_owned());
    let reason = match plain.starts_with(&complaint.reason) {
        true => String::new(),
        false => format!(" {}", complaint.reason),
    };
    let message = match plain.char_indices().nth(LONGEST_MESSAGE) {
        Some((at, _)) => format!("{}…", &plain[..at]),
        None => plain,
    };
    Some(format!("the kubelet says{reason}: {}", message.trim()))
}

/// A digest by its beginning.
pub(super) fn digest(digest: &str) -> String {
    match digest.char_indices().nth(19) {
        Some((at, _)) => format!("{}…", &digest[..at]),
        None => digest.to_owned(),
    }
}

/// "a, b and c"
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        assert_eq!(when(at(0), at(8040)), "2 h 14 min ago");
        assert_eq!(when(at(100_000), at(0)), "in 1 d 3 h");
        assert_eq!(when(at(5), at(0)), "in 5 s");
    }
}
