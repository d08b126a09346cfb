//! `pullmint run`: until told to stop.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin::{self, Snapshot};
use crate::cli::{ConfigArgs, HomeArgs, Outcome, complain, explain, report, site};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::daemon::snapshot::Whoami;
use crate::daemon::{Daemon, End, Orders, Site, StartError};
use crate::leader::{Elector, Leadership, Timing};
use crate::reload::{self, Accepted, Directory, Followed};
use crate::telemetry::LogFilter;

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    home: HomeArgs,
    /// The name by which other pullmints know this one. Default: the host's name, which in a Pod is the Pod's
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Between two looks at the configuration. The command line cannot say it.
    #[arg(skip = reload::EVERY)]
    pub(super) look_every: Duration,
}

/// From the word to stop to the end: the last calls of the daemon, which has its own limit, and the lease's return. Less than
/// the five seconds that are promised, by what a process takes to go.
const LONGEST_END: Duration = Duration::from_millis(4_400);

/// No sign of life from the elector for so long means that it hangs: each of its calls is bounded by less.
const ELECTOR_SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &RunArgs, log: &LogFilter) -> Outcome {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (accepted, directory) = match Directory::open(&args.config.config, args.look_every, &clock) {
        Ok(read) => read,
        Err(problems) => return report(&problems),
    };
    let identity = args.identity.clone().unwrap_or_else(host_name);
    let site = match site(&identity, &args.home).await {
        Ok(site) => site,
        Err(outcome) => return outcome,
    };
    let settings = &accepted.settings;
    set_log(log, settings);
    info!(version = env!("CARGO_PKG_VERSION"), namespace = %site.namespace, identity,
        registries = settings.registries.len(), "starting");
    let listener = match admin::bind(settings.admin.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(&format!("could not listen at {}: {error}; set `listen` under [admin]", settings.admin.listen));
            return Outcome::Failed;
        }
    };
    let (Some(signals), Ok(address)) = (Signals::listen(), listener.local_addr()) else {
        complain("could not listen for signals and connections");
        return Outcome::Failed;
    };
    info!(%address, tls = settings.admin.tls.is_some(), "serving metrics, health and status");
    match Process::start(site, accepted, directory, listener, log) {
        Ok(process) => process.supervise(signals).await,
        Err(error) => {
            complain(&explain(&error));
            Outcome::Failed
        }
    }
}

/// The parts of a running process.
struct Process {
    daemon: Daemon,
    /// Of these none ever ends by itself.
    others: JoinSet<()>,
    election: JoinSet<()>,
    /// Ends the daemon in good order.
    stop: CancellationToken,
    /// Gives the lease back.
    leave: CancellationToken,
}

impl Process {
    fn start(
        site: Site,
        accepted: Accepted,
        directory: Directory,
        listener: TcpListener,
        log: &LogFilter,
    ) -> Result<Self, StartError> {
        let (stop, leave) = (CancellationToken::new(), CancellationToken::new());
        let (clock, now) = (Arc::clone(&site.clock), site.clock.now());
        let admin = accepted.settings.admin.clone();
        let serving = admin::Options { settings: admin, client: site.client.clone(), clock: Arc::clone(&clock) };
        let mut others = JoinSet::new();
        let pulse = site.pulses.start("configuration", reload::LONGEST_SILENCE, now);
        let (followed, following) = reload::follow(directory, accepted, Arc::clone(&clock), pulse);
        others.spawn(following);
        others.spawn(follow(log.clone(), followed.settings.clone()));

        let (tell, leadership) = watch::channel(Leadership::Standby { holder: None });
        let Site { client, namespace, identity, .. } = &site;
        let elector = Elector::new(client.clone(), namespace, identity, Timing::default(), Arc::clone(&clock));
        let mandate = elector.mandate();
        let pulse = site.pulses.start("elector", ELECTOR_SILENCE, now);
        let mut election = JoinSet::new();
        election.spawn(elector.run(tell, leave.clone(), pulse));

        let Followed { settings, outside, status: configuration } = followed;
        let orders = Orders { settings, outside, configuration, leadership, mandate, stop: stop.clone() };
        let metrics = site.metrics.clone();
        let whoami = Whoami { namespace: namespace.clone(), instance: identity.clone(), started_at: now };
        let daemon = Daemon::start(site, orders)?;
        let sources = daemon.sources();
        let snapshot: Snapshot = Arc::new(move || sources.status(&whoami, clock.now()));
        others.spawn(admin::serve(listener, serving, snapshot, metrics));
        Ok(Self { daemon, others, election, stop, leave })
    }

    /// Until it is told to stop, or a part fails: a process that lives on without one would look healthy and do nothing.
    async fn supervise(self, mut signals: Signals) -> Outcome {
        let Self { daemon, mut others, mut election, stop, leave } = self;
        let working = daemon.run();
        let over = async {
            stop.cancelled().await;
            sleep(LONGEST_END).await;
        };
        tokio::pin!(working, over);
        let end = loop {
            tokio::select! {
                end = &mut working => break end,
                signal = signals.next() => {
                    if stop.is_cancelled() {
                        return at_once(signal);
                    }
                    info!(signal, "stopping: finishing the writes in flight");
                    stop.cancel();
                }
                () = &mut over => {
                    warn!("what was in flight took too long; ending the process");
                    return Outcome::Failed;
                }
                Some(_) = others.join_next() => {
                    error!("a part ended that never should; ending the process");
                    break End::Broken;
                }
                Some(_) = election.join_next() => {
                    error!(task = "elector", "a part ended that never should; ending the process");
                    break End::Broken;
                }
            }
        };
        // Only after the last write: whoever leads next must not meet one of ours.
        leave.cancel();
        let is_told = stop.is_cancelled();
        stop.cancel();
        tokio::select! {
            _ = election.join_next() => {}
            () = &mut over => warn!("could not give the lease back in time; others lead when it has run out"),
            signal = signals.next(), if is_told => return at_once(signal),
        }
        match end {
            End::Stopped => Outcome::Done,
            End::Broken => Outcome::Failed,
        }
    }
}

/// To one who has told it to stop already.
fn at_once(signal: &'static str) -> Outcome {
    warn!(signal, "told to stop once more; ending at once");
    Outcome::Failed
}

fn set_log(log: &LogFilter, settings: &Settings) {
    if let Err(error) = log.set(settings.log.as_deref()) {
        warn!(error, "the configured log filter cannot be used");
    }
}

/// The settings that concern the process itself.
async fn follow(log: LogFilter, mut settings: watch::Receiver<Arc<Settings>>) {
    let admin = settings.borrow().admin.clone();
    while settings.changed().await.is_ok() {
        let settings = Arc::clone(&settings.borrow_and_update());
        set_log(&log, &settings);
        if settings.admin != admin {
            warn!("what stands under [admin] takes effect when pullmint starts anew");
        }
    }
    std::future::pending().await
}

/// The signals that end a process in good order.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Option<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        Some(Self { interrupt: interrupt.ok()?, terminate: terminate.ok()? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// In a Pod it is the Pod's name.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
