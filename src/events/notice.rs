//! What is worth an Event: pure functions of what was and what is.

use jiff::Timestamp;

use crate::keeper::slot::{Failure, Minted, Slot};
use crate::pulls::causes::News;
use crate::pulls::recovery::{Controller, Recovered};
use crate::pulls::table::Pod;
use crate::registry::RegistryName;
use crate::status::ConfigurationProblem;
use crate::sync::incident::Incident;
use crate::why::finding::Finding;

/// All words that [`Notice::reason`] can be; `docs/watch.md` explains each.
pub const REASONS: [&str; 10] = [
    "LeaderElected",
    "Minted",
    "Renewed",
    "RenewalFailing",
    "Recovered",
    "ConfigurationRejected",
    "Refused",
    "Repaired",
    "PullFailureExplained",
    "PodRecovered",
];

/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1024;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub object: Object,
    /// One word for people and filters.
    pub reason: &'static str,
    /// What was done, or tried.
    pub action: &'static str,
    /// Whether somebody should act.
    pub warning: bool,
    /// Whether it is a change of state, which is always told, or may be a mere repetition.
    pub transition: bool,
    /// What sets it apart from others with the same reason at the same object.
    pub subject: String,
    /// The sentence.
    pub note: String,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// pullmint itself.
    Own,
    /// A Secret.
    Secret {
        /// Where.
        namespace: String,
        /// Its name.
        name: String,
        /// Its identity, if known.
        uid: Option<String>,
    },
    /// A Pod, standing for all of its namespace that have the same.
    Pod(Pod),
    /// What makes pods.
    Controller {
        /// Where.
        namespace: String,
        /// Which.
        controller: Controller,
    },
}

/// This process leads.
#[must_use]
pub fn elected(instance: &str) -> Notice {
    own("LeaderElected", "Lead", false, instance, format!("{instance} leads: it mints and writes"))
}

/// What has happened to a registry's credential between two words of its keeper. What was minted before `since` is no
/// news: it was taken over.
#[must_use]
pub fn of_slot(registry: &RegistryName, before: &Slot, after: &Slot, since: Timestamp) -> Option<Notice> {
    if let Some(failure) = &after.failure {
        return failing(registry, before.failure.as_ref(), failure, after);
    }
    // Other settings are no success of the old credential's.
    let current = after.current.as_deref().filter(|_| !after.superseded)?;
    let life = life(current, after.next_attempt);
    if let Some(failure) = &before.failure {
        let note =
            format!("the credential of {registry} is renewed again, after {} failures; {life}", failure.consecutive);
        return Some(own("Recovered", "Renew", false, registry.as_str(), note));
    }
    let old = before.current.as_deref();
    if current.minted_at < since || old.is_some_and(|old| old.minted_at == current.minted_at) {
        return None;
    }
    let (reason, action, verb) = match old {
        None => ("Minted", "Mint", "minted a"),
        Some(_) => ("Renewed", "Renew", "renewed the"),
    };
    let notice = own(reason, action, false, registry.as_str(), format!("{verb} credential of {registry}; {life}"));
    // A short-lived credential is renewed all the time.
    Some(Notice { transition: old.is_none(), ..notice })
}

fn failing(registry: &RegistryName, before: Option<&Failure>, failure: &Failure, slot: &Slot) -> Option<Notice> {
    if before == Some(failure) {
        return None;
    }
    let reason = failure.reason.as_str();
    let last = match slot.current.as_deref() {
        Some(current) => format!("the last good one expires: {}", current.credential.expiry),
        None => "there is none yet".to_owned(),
    };
    let note = format!(
        "could not renew the credential of {registry} ({reason}): {}; to do: {}; {last}",
        failure.message, failure.remedy
    );
    let notice = own("RenewalFailing", "Renew", true, &format!("{registry} {reason}"), note);
    Some(Notice { transition: before.map(|before| before.reason) != Some(failure.reason), ..notice })
}

fn life(minted: &Minted, next: Option<Timestamp>) -> String {
    let renewal = next.map(|at| format!("; next renewal: {at:.0}")).unwrap_or_default();
    format!("it expires: {}{renewal}", minted.credential.expiry)
}

/// What has happened to the files of the configuration.
#[must_use]
pub fn of_configuration(before: &[ConfigurationProblem], after: &[ConfigurationProblem]) -> Option<Notice> {
    let first = after.first().filter(|_| before != after)?;
    let line = first.line.map(|line| format!(":{line}")).unwrap_or_default();
    let help = first.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let more = match after.len() - 1 {
        0 => String::new(),
        more => format!("; problems beside it: {more}"),
    };
    let note = format!("{}{line}: {}{help}{more}; the configuration before stays in force", first.file, first.message);
    Some(own("ConfigurationRejected", "Reload", true, "", note))
}

/// What has happened to a Secret.
#[must_use]
pub fn of_incident(incident: &Incident) -> Notice {
    let (reason, warning, object, note) = match incident {
        Incident::Refused { namespace, secret, uid, why } => {
            ("Refused", true, (namespace, secret, uid), format!("pullmint leaves this Secret alone: {why}"))
        }
        Incident::Repaired { namespace, secret, uid, by } => {
            let by = by.as_deref().unwrap_or("somebody else");
            ("Repaired", false, (namespace, secret, uid), format!("restored what {by} had changed"))
        }
    };
    let (namespace, name, uid) = (object.0.clone(), object.1.clone(), object.2.clone());
    Notice {
        object: Object::Secret { namespace, name, uid },
        reason,
        action: "Write",
        warning,
        transition: false,
        subject: String::new(),
        note: cut(note),
    }
}

/// Why images of a namespace do not pull.
#[must_use]
pub fn of_pulls(news: &News) -> Notice {
    let Finding { code, sentence, cure, .. } = news.finding.as_ref();
    Notice {
        object: Object::Pod(news.pod.clone()),
        reason: "PullFailureExplained",
        action: "Pull",
        warning: true,
        transition: false,
        subject: format!("{code} {sentence}"),
        note: cut(format!("{code}: {sentence}; pods of this namespace: {}; to do: {}", news.pods, cure.trim())),
    }
}

/// A pod was deleted because the credential that it waited for is renewed. It is told where it will be looked for when the
/// pod is gone.
#[must_use]
pub fn of_recovery(recovered: &Recovered) -> Notice {
    let Recovered { namespace, pod, controller, registry } = recovered;
    let note = format!(
        "deleted pod {pod}, whose image was refused until the credential of {registry} was renewed: \
         the pod that takes its place pulls at once"
    );
    Notice {
        object: Object::Controller { namespace: namespace.clone(), controller: controller.clone() },
        reason: "PodRecovered",
        action: "Delete",
        warning: false,
        transition: true,
        subject: pod.clone(),
        note: cut(note),
    }
}

fn own(reason: &'static str, action: &'static str, warning: bool, subject: &str, note: String) -> Notice {
    let (object, subject, note) = (Object::Own, subject.to_owned(), cut(note));
    Notice { object, reason, action, warning, transition: true, subject, note }
}

/// At most [`LONGEST_NOTE`] bytes, ending at a character's end.
fn cut(mut note: String) -> String {
    const MORE: &str = "…";
    if note.len() > LONGEST_NOTE {
        note.truncate(note.floor_char_boundary(LONGEST_NOTE - MORE.len()));
        note.push_str(MORE);
    }
    note
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;

    use super::*;
    use crate::credential::{Credential, Expiry};
    use crate::keeper::slot::Verification;
    use crate::provider::Reason;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOON.as_second() + seconds).expect("an instant")
    }

    fn holding(minted_at: Timestamp) -> Slot {
        let credential = Credential {
            username: "AWS".to_owned(),
            password: SecretString::from("hunter2"),
            expiry: Expiry::At(at(43_200)),
            handle: None,
        };
        let minted = Minted { credential, minted_at, verification: Verification::Accepted, verified_at: None };
        Slot { current: Some(Arc::new(minted)), ..Slot::default() }
    }

    fn failed(slot: Slot, reason: Reason, consecutive: u32) -> Slot {
        let failure = Failure {
            reason,
            message: "ask ECR: AccessDenied".to_owned(),
            remedy: "allow ecr:GetAuthorizationToken".to_owned(),
            consecutive,
            since: NOON,
        };
        Slot { failure: Some(failure), ..slot }
    }

    fn told(before: &Slot, after: &Slot) -> Option<Notice> {
        of_slot(&RegistryName::new("ecr"), before, after, NOON)
    }

    fn reason(before: &Slot, after: &Slot) -> Option<&'static str> {
        told(before, after).map(|notice| notice.reason)
    }

    #[test]
    fn each_change_of_a_credential_has_its_word_and_no_change_has_none() {
        let (none, first, second) = (Slot::default(), holding(at(1)), holding(at(2)));
        assert_eq!(reason(&none, &first), Some("Minted"));
        assert_eq!(reason(&first, &second), Some("Renewed"));
        assert_eq!(reason(&first, &first), None);
        assert_eq!(reason(&none, &none), None);
        let failing = failed(first.clone(), Reason::Denied, 1);
        assert_eq!(reason(&first, &failing), Some("RenewalFailing"));
        assert_eq!(reason(&failing, &failing), None);
        assert_eq!(reason(&failing, &second), Some("Recovered"));
        let mut superseded = failing.clone();
        superseded.supersede();
        assert_eq!(reason(&failing, &superseded), None);
        assert_eq!(reason(&superseded, &second), Some("Renewed"));
    }

    #[test]
    fn what_was_minted_before_this_leadership_is_no_news() {
        assert_eq!(reason(&Slot::default(), &holding(at(-1))), None);
        assert_eq!(reason(&holding(at(-1)), &holding(at(1))), Some("Renewed"));
    }

    #[test]
    fn a_failure_that_goes_on_repeats_itself_and_another_kind_of_failure_is_a_change() {
        let first = failed(Slot::default(), Reason::Denied, 1);
        let again = told(&first, &failed(Slot::default(), Reason::Denied, 2)).expect("a repetition");
        assert!(!again.transition);
        let other = told(&first, &failed(Slot::default(), Reason::Unreachable, 2)).expect("a change");
        assert!(other.transition && other.subject != again.subject);
    }

    #[test]
    fn a_failure_is_told_with_its_kind_its_remedy_and_what_is_left() {
        let note = told(&Slot::default(), &failed(holding(at(0)), Reason::Denied, 1)).expect("news").note;
        for words in ["ecr", "denied", "AccessDenied", "ecr:GetAuthorizationToken", "2027-01-15T20:00:00Z"] {
            assert!(note.contains(words), "{words}: {note}");
        }
        assert!(!note.contains("hunter2"));
    }

    #[test]
    fn a_long_note_is_cut_at_a_characters_end() {
        for length in 1000..1100 {
            let cut = cut("é".repeat(length / 2) + &"x".repeat(length % 2));
            assert!(cut.len() <= LONGEST_NOTE, "{length}: {}", cut.len());
        }
        assert_eq!(cut("short".to_owned()), "short");
    }

    #[test]
    fn a_rejected_configuration_is_told_once_with_file_line_and_help() {
        let problem = ConfigurationProblem {
            file: "ecr.toml".to_owned(),
            line: Some(3),
            column: Some(1),
            message: "there is no such key: `regoin`".to_owned(),
            help: Some("did you mean `region`?".to_owned()),
        };
        let problems = [problem.clone(), problem];
        let notice = of_configuration(&[], &problems).expect("news");
        assert!(notice.note.starts_with("ecr.toml:3: there is no such key: `regoin`; did you mean"), "{}", notice.note);
        assert!(notice.note.contains("problems beside it: 1"), "{}", notice.note);
        assert_eq!(of_configuration(&problems, &problems), None);
        assert_eq!(of_configuration(&problems, &[]), None);
    }
}
