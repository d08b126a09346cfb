//! A single pass over everything, for `pullmint once`: each keeper tries once, and the syncer writes what came of it.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Settings;
use crate::daemon::lines::Lines;
use crate::daemon::{Site, StartError};
use crate::keeper::Keeper;
use crate::keeper::slot::Coverage;
use crate::provider::Outside;
use crate::state::{Kept, StateSecret};
use crate::sync::summary::Summary;
use crate::sync::{Reports, Setting, Syncer};

/// The parts of one pass. Dropping it ends them.
#[derive(Debug)]
pub struct Pass {
    /// The keepers, as long as they work.
    pub keepers: JoinSet<()>,
    /// The keepers' words, in the order of the registries.
    pub slots: Kept,
    /// The syncer's word.
    pub summary: watch::Receiver<Summary>,
    /// Where the credentials outlive the process.
    pub state: StateSecret,
    _syncer: JoinSet<()>,
}

impl Pass {
    /// Starts it, as soon as the API server answers.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(settings: &Settings, site: &Site) -> Result<Self, StartError> {
        let outside = Outside::new(settings.ca_file.as_deref(), Arc::clone(&site.clock))?;
        let lines = Lines::new(settings, Arc::new(outside), site);
        let state = StateSecret::new(site.client.clone(), &site.namespace);
        lines.take_over(state.load(lines.registries(), || site.clock.now()).await);
        let (told, summary) = watch::channel(Summary::default());
        let (covering, coverage) = watch::channel(Coverage::new());
        let setting = Setting {
            client: site.client.clone(),
            clock: Arc::clone(&site.clock),
            owner: site.namespace.clone(),
            assignment: watch::channel(lines.assignment(settings)?).1,
            active: watch::channel(true).1,
            permit: Arc::new(|| true),
            deaf_after: site.deaf_after,
            stop: CancellationToken::new(),
        };
        let reports = Reports {
            summary: told,
            coverage: covering,
            // Nobody listens: what happens is in the log, and what is wrong in the summary.
            incidents: broadcast::channel(1).0,
            metrics: site.metrics.clone(),
            pulses: site.pulses.clone(),
        };
        let mut keepers = JoinSet::new();
        for line in lines.iter() {
            let (clock, slot) = (Arc::clone(&site.clock), Arc::clone(&line.slot));
            keepers.spawn(Keeper::new(line.task(site), clock, slot, coverage.clone()).run_once());
        }
        let mut _syncer = JoinSet::new();
        _syncer.spawn(Syncer::new(setting, reports).run());
        Ok(Self { keepers, slots: lines.kept(), summary, state, _syncer })
    }
}
