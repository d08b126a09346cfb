//! The registries at work: of each its settings, its provider, and the slot that its keeper writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;

use crate::config::CompiledSelection;
use crate::config::settings::{Registry, Settings};
use crate::credential::TokenHandle;
use crate::cron::Ticks;
use crate::daemon::snapshot::Shown;
use crate::daemon::{Site, StartError};
use crate::keeper::Task;
use crate::keeper::slot::{Retired, Roster, Slot};
use crate::provider::{self, Outside, Provider};
use crate::registry::RegistryName;
use crate::state::Kept;
use crate::sync::Assignment;
use crate::sync::desired::Claim;

/// One registry at work.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) registry: Registry,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) slot: Arc<watch::Sender<Slot>>,
}

/// All of them, in the order of their names.
#[derive(Debug)]
pub(super) struct Lines {
    outside: Arc<Outside>,
    all: Vec<Line>,
}

/// What other settings have changed.
#[derive(Debug)]
pub(super) struct Changes {
    /// The registries that are new or other than before.
    pub(super) changed: BTreeSet<RegistryName>,
    /// Those that are not there any more.
    pub(super) gone: Vec<Line>,
}

impl Lines {
    pub(super) fn new(settings: &Settings, outside: Arc<Outside>, site: &Site) -> Self {
        let mut lines = Self { outside: Arc::clone(&outside), all: Vec::new() };
        lines.assign(settings, outside, site);
        lines
    }

    /// Other settings, or another way to registries and clouds. What these do not touch goes on as it is.
    pub(super) fn assign(&mut self, settings: &Settings, outside: Arc<Outside>, site: &Site) -> Changes {
        let same_way = Arc::ptr_eq(&outside, &self.outside);
        self.outside = outside;
        let mut before: BTreeMap<_, _> = self.all.drain(..).map(|line| (line.registry.name.clone(), line)).collect();
        let mut changed = BTreeSet::new();
        for registry in &settings.registries {
            let line = match before.remove(&registry.name) {
                Some(line) if same_way && line.registry == *registry => line,
                known => {
                    changed.insert(registry.name.clone());
                    self.renew(known, registry)
                }
            };
            self.all.push(line);
        }
        let named = |line: &Line| (line.registry.name.clone(), line.registry.provider.name());
        let names: Vec<_> = self.all.iter().map(named).collect();
        site.metrics.set_registries(&names);
        Changes { changed, gone: before.into_values().collect() }
    }

    /// A credential lives on under settings that concern only how it is asked for, when it is renewed and where it goes; and
    /// under others for the same hosts until there is a new one, since a Secret that others share must not lose it.
    fn renew(&self, before: Option<Line>, registry: &Registry) -> Line {
        let (registry, provider) = (registry.clone(), provider::build(registry, &self.outside));
        let slot = match before {
            Some(line) if line.registry.provider == registry.provider => line.slot,
            Some(line) if line.provider.hosts() == provider.hosts() => {
                line.slot.send_modify(Slot::supersede);
                line.slot
            }
            before => {
                // Nobody else would delete them.
                let replaced_at = self.outside.clock.now();
                let retired = |handle| Retired { handle, replaced_at, covered_at: None };
                let retired = before.iter().flat_map(Line::tokens).map(retired).collect();
                Arc::new(watch::channel(Slot { retired, ..Slot::default() }).0)
            }
        };
        Line { registry, provider, slot }
    }

    /// What an earlier leader has saved, where it is newer than what we know.
    pub(super) fn take_over(&self, mut saved: BTreeMap<RegistryName, Slot>) {
        for line in &self.all {
            let Some(saved) = saved.remove(&line.registry.name) else { continue };
            let minted_at = |slot: &Slot| slot.current.as_ref().map(|minted| minted.minted_at);
            line.slot.send_if_modified(|slot| {
                // Of other settings nobody knows whether it is still the one that another leader has left.
                let is_newer = minted_at(&saved) > minted_at(slot) || slot.current.is_none() || slot.superseded;
                if saved.current.is_some() && minted_at(&saved) < minted_at(slot) {
                    info!(registry = %line.registry.name, "the state's credential is older than the one at hand, which stays");
                }
                if is_newer {
                    *slot = saved;
                }
                is_newer
            });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.all.iter()
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = &Registry> {
        self.all.iter().map(|line| &line.registry)
    }

    pub(super) fn kept(&self) -> Kept {
        self.all.iter().map(|line| (line.registry.clone(), line.slot.subscribe())).collect()
    }

    pub(super) fn roster(&self) -> Roster {
        self.all.iter().map(|line| (line.registry.name.clone(), line.slot.subscribe())).collect()
    }

    pub(super) fn shown(&self) -> Arc<[Shown]> {
        self.all.iter().map(Line::shown).collect()
    }

    pub(super) fn assignment(&self, settings: &Settings) -> Result<Assignment, StartError> {
        Ok(Assignment {
            claims: self.all.iter().map(Line::claim).collect::<Result<_, _>>()?,
            retired: settings.retired.clone(),
            concurrency: settings.concurrency,
            writes_per_second: settings.max_writes_per_second,
        })
    }
}

impl Line {
    /// What its keeper has to do.
    pub(super) fn task(&self, site: &Site) -> Task {
        Task {
            registry: self.registry.name.clone(),
            provider: Arc::clone(&self.provider),
            renew_at: self.registry.renewal.at,
            ticks: self.registry.renewal.schedule.as_deref().and_then(|schedule| Ticks::parse(schedule).ok()),
            verify: self.registry.verify,
            metrics: site.metrics.clone(),
        }
    }

    /// Its tokens at the issuer, which somebody has to delete once it is gone.
    pub(super) fn tokens(&self) -> Vec<TokenHandle> {
        let slot = self.slot.borrow();
        let current = slot.current.as_ref().and_then(|minted| minted.credential.handle.clone());
        slot.retired.iter().map(|retired| retired.handle.clone()).chain(current).collect()
    }

    fn claim(&self) -> Result<Claim, StartError> {
        Ok(Claim {
            registry: self.registry.name.clone(),
            hosts: self.provider.hosts().to_vec(),
            secret: self.registry.secret.clone(),
            selection: CompiledSelection::new(&self.registry.namespaces)?,
            service_accounts: self.registry.service_accounts.clone(),
            slot: self.slot.subscribe(),
        })
    }

    fn shown(&self) -> Shown {
        Shown {
            name: self.registry.name.clone(),
            provider: self.registry.provider.name(),
            hosts: self.provider.hosts().to_vec(),
            secret: self.registry.secret.clone(),
            polled: self.provider.is_polled(),
            slot: self.slot.subscribe(),
        }
    }
}
