//! What a person should look at, the worst first: the page's summary of everything below it.

use super::tone::Tone;
use super::words::{count, relative};
use super::{loops, pulls, registries};
use crate::status::{CopyState, Status};

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Concern {
    /// How bad it is.
    pub(super) tone: Tone,
    /// What it is.
    pub(super) text: String,
    /// The part of the page that tells more.
    pub(super) anchor: String,
}

/// All of them.
pub(super) fn of(status: &Status) -> Vec<Concern> {
    let mut concerns = Vec::new();
    let mut add = |tone, anchor: &str, text| concerns.push(Concern { tone, text, anchor: anchor.to_owned() });
    for registry in &status.registries {
        let standing = registries::standing(registry, status);
        if standing.tone >= Tone::Warn {
            add(standing.tone, &registries::anchor(registry), format!("{}: {}", registry.name, standing.words));
        }
    }
    for late in loops::late(status) {
        let since = relative(status.now, late.last_beat_at);
        add(Tone::Bad, "loops", format!("{} stands still; its last sign of life was {since}", late.name));
    }
    for (watch, trouble) in loops::troubled(status) {
        add(Tone::Bad, "watches", format!("{} {}", watch.name, loops::fate(trouble)));
    }
    let secrets = |state| status.secrets.iter().map(|secret| secret.copies.of(state)).sum::<usize>();
    let accounts = |state| status.service_accounts.iter().map(|account| account.copies.of(state)).sum::<usize>();
    let unpatched = accounts(CopyState::Failing) + accounts(CopyState::Refused);
    let copies = [
        (secrets(CopyState::Failing), "Secret", Tone::Bad, "cannot be written"),
        (secrets(CopyState::Refused), "Secret", Tone::Warn, "left alone: somebody else's"),
        (secrets(CopyState::LeftOver), "Secret", Tone::Warn, "left over: removal is forbidden"),
        (unpatched, "ServiceAccount", Tone::Bad, "cannot be patched"),
        (accounts(CopyState::LeftOver), "ServiceAccount", Tone::Warn, "left over: the change back is forbidden"),
    ];
    for (copies, object, tone, is) in copies {
        if copies > 0 {
            add(tone, "namespaces", format!("{} {is}", count(copies, object)));
        }
    }
    if let Some((tone, failing)) = status.pull_failures.as_ref().and_then(pulls::tone) {
        add(tone, "pulls", format!("{} without an image", count(failing, "container")));
    }
    let problems = status.configuration.problems.len();
    if problems > 0 {
        let text = format!("{} in the configuration; the last good one stays in force", count(problems, "problem"));
        add(Tone::Warn, "configuration", text);
    }
    concerns.sort_by_key(|concern| std::cmp::Reverse(concern.tone));
    concerns
}
