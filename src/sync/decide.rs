//! What to do with one Secret: a pure function of what is wanted, what is there, and what we did last.

use std::time::Duration;

use jiff::Timestamp;

use crate::credential::Expiry;
use crate::registry::RegistryName;

/// All that the decision depends on.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The present instant.
    pub now: Timestamp,
    /// The namespace's state.
    pub namespace: Namespace,
    /// The registries whose credentials belong into this Secret; empty: the Secret does not belong here.
    pub wanted: &'a [Wanted],
    /// The Secret as the watch last showed it.
    pub observed: Option<&'a Observed>,
    /// The resource version that our own last write left.
    pub applied: Option<&'a str>,
}

/// A namespace, as far as writing into it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Takes new objects.
    Active,
    /// Takes none, and its objects go by themselves.
    Leaving,
}

/// One registry's claim to an entry of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose entry.
    pub registry: RegistryName,
    /// The credential at hand.
    pub entry: Option<Entry>,
}

/// An entry of a Secret, without its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When its credential was minted.
    pub minted_at: Timestamp,
    /// When it expires.
    pub expiry: Expiry,
}

/// A Secret's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its identity; another one is another Secret of the same name.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it carries `pullmint.dev/adopt: "true"`.
    pub consents: bool,
    /// Whether it was taken over from somebody else, who had consented.
    pub adopted: bool,
    /// What its annotation says it holds.
    pub entries: Vec<(RegistryName, Entry)>,
    /// Who else wrote to it last.
    pub touched_by: Option<String>,
}

/// Whose Secret this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This pullmint's.
    Us,
    /// Somebody else's: the field managers that wrote it, or another pullmint's namespace.
    Other(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write a new Secret with the entries at hand.
    Create,
    /// Write over our own Secret, or over one that consents.
    Replace(Why),
    /// Remove our own Secret.
    Delete,
    /// It is as it should be.
    Keep,
    /// It is somebody else's; hands off. Names who.
    Refuse(String),
    /// Writing now would lose a living entry of these registries, or an older credential would replace a newer one, or
    /// there is nothing to write yet.
    Wait(Vec<RegistryName>),
    /// Nothing is wanted and nothing of ours is here.
    Leave,
}

impl Verdict {
    /// The stable name, for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace(why) => why.as_str(),
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Refuse(_) => "refuse",
            Self::Wait(_) => "wait",
            Self::Leave => "leave",
        }
    }
}

/// Why a Secret is written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It consented to be taken over.
    Adopted,
    /// Another set of registries belongs into it now.
    Changed,
    /// Somebody else touched it since our last write.
    Drifted,
    /// A newer credential is at hand.
    Rotated,
    /// We have not written it since we started, so its data may be anything.
    Unconfirmed,
}

impl Why {
    /// Whether it happens to all copies of a Secret alike, and so is no news of any one of them.
    #[must_use]
    pub const fn is_routine(self) -> bool {
        matches!(self, Self::Rotated | Self::Unconfirmed)
    }

    /// The stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Changed => "changed",
            Self::Drifted => "drifted",
            Self::Rotated => "rotated",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Decides.
#[must_use]
pub fn decide(input: &Input<'_>) -> Verdict {
    if input.namespace == Namespace::Leaving {
        return Verdict::Leave;
    }
    match input.observed {
        None => create(input.wanted),
        Some(observed) => match &observed.owner {
            Owner::Us if input.wanted.is_empty() => Verdict::Delete,
            Owner::Us => update(input, observed),
            Owner::Other(_) if input.wanted.is_empty() => Verdict::Leave,
            Owner::Other(_) if observed.consents => take_over(input.wanted),
            Owner::Other(who) => Verdict::Refuse(who.clone()),
        },
    }
}

/// A new Secret is written with what is there and completed when the rest arrives.
fn create(wanted: &[Wanted]) -> Verdict {
    if wanted.is_empty() {
        Verdict::Leave
    } else if at_hand(wanted).next().is_some() {
        Verdict::Create
    } else {
        Verdict::Wait(missing(wanted))
    }
}

/// A foreign Secret may hold anything, so it is taken over only with everything that belongs into it.
fn take_over(wanted: &[Wanted]) -> Verdict {
    let missing = missing(wanted);
    if missing.is_empty() { Verdict::Replace(Why::Adopted) } else { Verdict::Wait(missing) }
}

fn update(input: &Input<'_>, observed: &Observed) -> Verdict {
    let holds = |registry: &RegistryName| observed.entries.iter().find(|(name, _)| name == registry).map(|(_, e)| *e);
    let lives = |entry: &Entry| !entry.expiry.is_past(input.now);
    let unsaved: Vec<_> =
        missing(input.wanted).into_iter().filter(|name| holds(name).as_ref().is_some_and(lives)).collect();
    if !unsaved.is_empty() || at_hand(input.wanted).next().is_none() {
        return Verdict::Wait(if unsaved.is_empty() { missing(input.wanted) } else { unsaved });
    }
    let rotated =
        at_hand(input.wanted).any(|(name, ours)| holds(name).is_some_and(|theirs| theirs.minted_at < ours.minted_at));
    let same_set = at_hand(input.wanted).count() == observed.entries.len()
        && at_hand(input.wanted).all(|(name, _)| holds(name).is_some());
    // A time to come is no time of minting: somebody spoiled the annotation, or has a wrong clock.
    let is_newer = |theirs: &Entry, ours: Entry| theirs.minted_at > ours.minted_at && theirs.minted_at <= input.now;
    let newer_there: Vec<_> = at_hand(input.wanted)
        .filter(|(name, ours)| holds(name).is_some_and(|theirs| lives(&theirs) && is_newer(&theirs, *ours)))
        .map(|(name, _)| name.clone())
        .collect();
    if !newer_there.is_empty() {
        return if rotated || !same_set { Verdict::Wait(newer_there) } else { Verdict::Keep };
    }
    if rotated {
        return Verdict::Replace(Why::Rotated);
    }
    if !same_set {
        return Verdict::Replace(Why::Changed);
    }
    match input.applied {
        None => Verdict::Replace(Why::Unconfirmed),
        Some(applied) if applied != observed.resource_version => Verdict::Replace(Why::Drifted),
        Some(_) => Verdict::Keep,
    }
}

/// How long until the first of the entries that live now will be dead.
#[must_use]
pub fn next_death(observed: &Observed, now: Timestamp) -> Option<Duration> {
    let deaths = observed.entries.iter().filter_map(|(_, entry)| entry.expiry.instant());
    deaths.filter(|at| *at > now).min().and_then(|at| Duration::try_from(at.duration_since(now)).ok())
}

fn at_hand(wanted: &[Wanted]) -> impl Iterator<Item = (&RegistryName, Entry)> {
    wanted.iter().filter_map(|wanted| Some((&wanted.registry, wanted.entry?)))
}

fn missing(wanted: &[Wanted]) -> Vec<RegistryName> {
    wanted.iter().filter(|wanted| wanted.entry.is_none()).map(|wanted| wanted.registry.clone()).collect()
}

#[cfg(test)]
mod laws;
