//! Puts the parts together: one keeper per registry, one syncer, the state Secret, the cron schedules.

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::settings::{Registry, Settings};
use crate::config::{CompiledSelection, InvalidSelection};
use crate::keeper::slot::{Coverage, Slot};
use crate::keeper::{Keeper, Task, cron};
use crate::provider::{self, MintError, Outside, Provider};
use crate::state::StateSecret;
use crate::sync::desired::{Claim, Plan};
use crate::sync::summary::Summary;
use crate::sync::{Options, Syncer};

/// Where the parts work.
#[derive(Clone)]
pub struct Site {
    /// The way to the API server.
    pub client: Client,
    /// pullmint's own namespace: it marks what is its own, and holds the state.
    pub namespace: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A provider's settings cannot work here.
    #[error("could not set up the way to registries and clouds")]
    Provider(#[from] MintError),
    /// A selection that the configuration should have refused.
    #[error("could not read a namespace selection")]
    Selection(#[from] InvalidSelection),
    /// A cron expression that the configuration should have refused.
    #[error("could not start a schedule")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// The running parts. Dropping it ends them.
#[derive(Debug)]
pub struct Daemon {
    /// All tasks by name. None of them ever ends by itself while the daemon runs, except keepers in a single pass.
    pub tasks: JoinSet<&'static str>,
    /// The keepers' words, in the order of the registries.
    pub slots: Vec<(Registry, watch::Receiver<Slot>)>,
    /// The syncer's word.
    pub summary: watch::Receiver<Summary>,
    /// The keepers of a single pass, as long as they work.
    pub keepers: JoinSet<()>,
    /// Where the credentials outlive the process.
    pub state: StateSecret,
}

/// How long the keepers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// For ever.
    Forever,
    /// One attempt each.
    SinglePass,
}

impl Daemon {
    /// Starts everything, as soon as the API server answers.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(settings: &Settings, site: Site, span: Span) -> Result<Self, StartError> {
        let outside = Outside::new(settings.ca_file.as_deref(), Arc::clone(&site.clock))?;
        let state = StateSecret::new(site.client.clone(), &site.namespace);
        let saved = state.load(&settings.registries, || site.clock.now()).await;
        let (coverage, covered) = watch::channel(Coverage::new());

        let mut claims = Vec::new();
        let mut slots = Vec::new();
        let mut keepers = Vec::new();
        for registry in &settings.registries {
            let provider = provider::build(registry, &outside);
            let (slot, latest) = watch::channel(saved.get(&registry.name).cloned().unwrap_or_default());
            claims.push(claim(registry, &*provider, latest.clone())?);
            slots.push((registry.clone(), latest));
            let task = Task {
                registry: registry.name.clone(),
                provider,
                renew_at: registry.renewal.at,
                verify: registry.verify,
            };
            keepers.push((registry, Keeper::new(task, Arc::clone(&site.clock), slot, covered.clone())));
        }

        let summary = watch::channel(Summary::default()).1;
        let mut daemon = Self { tasks: JoinSet::new(), slots, summary, keepers: JoinSet::new(), state };
        daemon.start_keepers(keepers, span).await?;
        daemon.start_syncer(settings, &site, Plan::new(claims), coverage);
        let (state, kept) = (daemon.state.clone(), daemon.slots.clone());
        daemon.tasks.spawn(async move {
            state.keep(kept, saved).await;
            "state"
        });
        Ok(daemon)
    }

    async fn start_keepers(&mut self, keepers: Vec<(&Registry, Keeper)>, span: Span) -> Result<(), StartError> {
        let scheduled = keepers
            .iter()
            .filter_map(|(registry, keeper)| Some((registry.renewal.schedule.clone()?, keeper.renew_now())));
        let scheduled: Vec<_> = scheduled.collect();
        if span == Span::Forever && !scheduled.is_empty() {
            let scheduler = cron::start(scheduled).await?;
            self.tasks.spawn(async move {
                let _alive = scheduler;
                std::future::pending().await
            });
        }
        for (_, keeper) in keepers {
            match span {
                Span::Forever => {
                    self.tasks.spawn(async {
                        keeper.run().await;
                        "keeper"
                    });
                }
                Span::SinglePass => {
                    self.keepers.spawn(keeper.run_once());
                }
            }
        }
        Ok(())
    }

    fn start_syncer(&mut self, settings: &Settings, site: &Site, plan: Plan, coverage: watch::Sender<Coverage>) {
        let (told, summary) = watch::channel(Summary::default());
        let options = Options { owner: site.namespace.clone(), concurrency: settings.concurrency };
        let syncer = Syncer::new(site.client.clone(), Arc::clone(&site.clock), options, plan, told, coverage);
        self.summary = summary;
        self.tasks.spawn(async {
            syncer.run().await;
            "syncer"
        });
    }
}

fn claim(registry: &Registry, provider: &dyn Provider, slot: watch::Receiver<Slot>) -> Result<Claim, InvalidSelection> {
    Ok(Claim {
        registry: registry.name.clone(),
        hosts: provider.hosts().to_vec(),
        secret: registry.secret.clone(),
        selection: CompiledSelection::new(&registry.namespaces)?,
        service_accounts: registry.service_accounts.clone(),
        slot,
    })
}
