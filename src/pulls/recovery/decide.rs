//! Which pod is deleted next: a pure function of what is told of failing pods now, what was told of them before, and the
//! credentials that were renewed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::keeper::slot::{Slot, Verification};
use crate::pulls::recovery::limit::Limit;
use crate::pulls::recovery::look::CONTROLLERS;
use crate::pulls::recovery::memory::Memory;
use crate::pulls::table::Failure;
use crate::registry::{Host, RegistryName};
use crate::sync::desired::Claim;
use crate::why::catalogue::Code;
use crate::why::reference::Reference;

/// All that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What fails now.
    pub failures: &'a [Arc<Failure>],
    /// What was told of it before.
    pub memory: &'a Memory,
    /// The credentials in force that their registries have accepted.
    pub renewals: &'a [Renewal],
    /// The deletions of late.
    pub limit: &'a Limit,
    /// How many there may be in a minute.
    pub per_minute: usize,
    /// The present, by [`Clock::uptime`](crate::clock::Clock::uptime).
    pub now: Duration,
}

/// A credential in force that its registry has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Whose.
    pub registry: RegistryName,
    /// What it opens.
    pub hosts: Vec<Host>,
    /// The Secret that holds it.
    pub secret: String,
    /// When it was minted.
    pub minted_at: Timestamp,
}

/// A pod that a deletion cures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Its images that can be pulled by now, each with its container.
    pub mended: Vec<(String, String)>,
    /// The registry whose credential was renewed.
    pub registry: RegistryName,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delete this pod.
    Delete(Patient),
    /// A pod has to wait until then.
    Wait(Duration),
    /// No pod is to be deleted.
    Leave,
}

/// Decides. Of several pods the one goes first that has failed for longest.
#[must_use]
pub fn decide(input: &Input<'_>) -> Verdict {
    let mut pods: BTreeMap<&str, Vec<&Failure>> = BTreeMap::new();
    for failure in input.failures {
        pods.entry(&failure.pod.uid).or_default().push(failure);
    }
    let curable = pods.into_values().filter_map(|containers| {
        let rested = input.memory.rests_until(&containers[0].pod.uid)?.max(input.now);
        let since = containers.iter().map(|failure| failure.since).min()?;
        Some((rested, since, patient(&containers, input)?))
    });
    let Some((rested, _, patient)) = curable.min_by_key(|(rested, since, _)| (*rested, *since)) else {
        return Verdict::Leave;
    };
    let due = rested.max(input.limit.earliest(input.per_minute, input.now));
    if due > input.now { Verdict::Wait(due) } else { Verdict::Delete(patient) }
}

/// The pod, if a new one in its place would pull at once what this one waits for.
fn patient(containers: &[&Failure], input: &Input<'_>) -> Option<Patient> {
    let first = containers.first()?;
    let owner = first.owner.as_ref();
    let is_made_again = owner.is_some_and(|owner| CONTROLLERS.iter().any(|(_, kind)| *kind == owner.kind));
    let is_mended = |failure: &&Failure| failure.diagnosis.finding.code == Code::MENDED;
    if !is_made_again || first.has_run || !containers.iter().all(is_mended) {
        return None;
    }
    let renewal = containers.iter().find_map(|failure| renewal(failure, input))?;
    Some(Patient {
        namespace: first.pod.namespace.clone(),
        name: first.pod.name.clone(),
        uid: first.pod.uid.clone(),
        mended: containers.iter().map(|failure| (failure.container.clone(), failure.image.clone())).collect(),
        registry: renewal.registry.clone(),
    })
}

/// The renewal between the diagnosis that blamed the credential and the one that found it good.
fn renewal<'a>(failure: &Failure, input: &Input<'a>) -> Option<&'a Renewal> {
    let blamed = input.memory.blamed(failure)?;
    let host: Host = Reference::parse(&failure.image).ok()?.domain.parse().ok()?;
    input.renewals.iter().find(|renewal| {
        renewal.hosts.contains(&host)
            && failure.pull_secrets.contains(&renewal.secret)
            && renewal.minted_at > blamed
            && renewal.minted_at < failure.diagnosis.at
    })
}

impl Renewal {
    /// What a claim's registry has renewed and verified, if it has.
    #[must_use]
    pub fn of(claim: &Claim, slot: &Slot) -> Option<Self> {
        let minted = slot.current.as_ref().filter(|minted| minted.verification == Verification::Accepted)?;
        Some(Self {
            registry: claim.registry.clone(),
            hosts: claim.hosts.clone(),
            secret: claim.secret.clone(),
            minted_at: minted.minted_at,
        })
    }
}

#[cfg(test)]
mod laws;
