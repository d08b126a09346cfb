//! Recovery: pods that waited for a credential which is renewed by now are made anew, so that they pull at once.
//!
//! ```text
//! failures, memory ─┐
//! credentials ──────┼─► decide (pure) ─► fresh look at the pod ─► examine (pure) ─► delete ─► its controller makes a new one
//! limit ────────────┘
//! ```
//!
//! The kubelet's back-off grows to five minutes and no Secret resets it, but it belongs to a pod's identity: a new pod has
//! none. It is a plain deletion. An eviction would ask nobody more: for a Pending pod the API server asks no
//! PodDisruptionBudget (kubernetes `pkg/registry/core/pod/storage/eviction.go`, `canIgnorePDB`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use kube::Client;
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::config::Settings;
use crate::keeper::slot::{Slot, publications};
use crate::metrics::Metrics;
use crate::pulls::table::Shown;
use crate::pulse::Pulse;
use crate::registry::RegistryName;
use crate::sync::{Assignment, Permit};

pub mod decide;
mod delete;
pub mod limit;
pub mod look;
pub mod memory;
mod ward;

use decide::{Renewal, Verdict};
use ward::Ward;

/// What a recovery has to do, and with what.
pub struct Setting {
    /// The way to the API server.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether this process may write at this instant.
    pub permit: Permit,
    /// Its sign of life.
    pub pulse: Pulse,
    /// What is configured.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Which pods fail, and why.
    pub failures: Shown,
    /// The registries with their credentials.
    pub assignment: watch::Receiver<Assignment>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").finish_non_exhaustive()
    }
}

/// Whom a recovery tells.
#[derive(Clone, Debug)]
pub struct Reports {
    /// What is counted.
    pub metrics: Metrics,
    /// Pods that were deleted, for Events.
    pub recovered: broadcast::Sender<Recovered>,
}

/// A pod that was deleted so that its controller makes a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Where.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// What makes the new one.
    pub controller: Controller,
    /// The registry whose credential was renewed.
    pub registry: RegistryName,
}

/// What makes a pod again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Controller {
    /// `apps/v1`.
    pub api_version: String,
    /// `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Recovers for ever. It is for the leader alone: start it when leadership begins, and drop it when that ends.
pub async fn recover(mut setting: Setting, reports: Reports) {
    let mut ward = Ward::new(setting.client.clone(), Arc::clone(&setting.clock), setting.permit.clone(), reports);
    let mut published = publications(slots(&setting.assignment.borrow()));
    loop {
        setting.pulse.beat(setting.clock.now());
        let failures = setting.failures.borrow_and_update().clone().unwrap_or_default();
        ward.note(&failures.explained);
        let per_minute = setting.settings.borrow_and_update().pulls.recoveries_per_minute;
        let verdict = match per_minute {
            Some(per_minute) => {
                ward.decide(&failures.explained, &renewals(&setting.assignment.borrow_and_update()), per_minute)
            }
            None => Verdict::Leave,
        };
        let pause = match verdict {
            Verdict::Delete(patient) => {
                ward.treat(&patient).await;
                continue;
            }
            Verdict::Wait(until) => until.saturating_sub(setting.clock.uptime()),
            Verdict::Leave => Duration::MAX,
        };
        tokio::select! {
            Ok(()) = setting.failures.changed() => {}
            Ok(()) = setting.settings.changed() => {}
            Ok(()) = setting.assignment.changed() => published = publications(slots(&setting.assignment.borrow())),
            Some(()) = published.next(), if !published.is_empty() => {}
            () = tokio::time::sleep(pause) => {}
            never = setting.pulse.rest(&*setting.clock) => match never {},
        }
    }
}

fn slots(assignment: &Assignment) -> impl Iterator<Item = watch::Receiver<Slot>> {
    assignment.claims.iter().map(|claim| claim.slot.clone())
}

fn renewals(assignment: &Assignment) -> Vec<Renewal> {
    assignment.claims.iter().filter_map(|claim| Renewal::of(claim, &claim.slot.borrow())).collect()
}
