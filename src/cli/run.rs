//! `pullmint run`: until told to stop.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::cli::{ConfigArgs, Outcome, complain, explain};
use crate::config::Settings;
use crate::daemon::{Daemon, Site, Span};
use crate::telemetry::LogFilter;

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: &RunArgs, log: &LogFilter) -> Outcome {
    let (settings, site) = match args.config.in_cluster().await {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    if let Err(error) = log.set(settings.log.as_deref()) {
        warn!(error, "the configured log filter cannot be used");
    }
    info!(version = env!("CARGO_PKG_VERSION"), namespace = %site.namespace, registries = settings.registries.len(),
        "starting");
    tokio::select! {
        signal = told_to_stop() => {
            info!(signal, "stopping");
            Outcome::Done
        }
        outcome = until_it_fails(&settings, site) => outcome,
    }
}

async fn until_it_fails(settings: &Settings, site: Site) -> Outcome {
    let mut daemon = match Daemon::start(settings, site, Span::Forever).await {
        Ok(daemon) => daemon,
        Err(error) => {
            complain(&explain(&error));
            return Outcome::Failed;
        }
    };
    // A daemon that lives on without one of its parts would look healthy and do nothing.
    match daemon.tasks.join_next().await {
        Some(Ok(task)) => error!(task, "a part ended that never should; ending the process"),
        Some(Err(failure)) => error!(%failure, "a part failed; ending the process"),
        None => error!("there is nothing to do; ending the process"),
    }
    Outcome::Failed
}

async fn told_to_stop() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
