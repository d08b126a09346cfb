//! Starts a world for hand work, or builds its programs ahead of time.

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use world::{Context, Result, World};

#[derive(Parser)]
#[command(about = "A real Kubernetes on this machine, for tests and hand work", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the cluster's programs, so that later starts take seconds.
    Build,
    /// Starts a world, prints its KUBECONFIG, and ends it at Ctrl-C.
    Up,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Build => world::binaries::build_all(),
        Command::Up => up().await,
    }
}

async fn up() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context(|| "listening for SIGTERM")?;
    let start = World::builder().start();
    let wait = async {
        let world = start.await?;
        println!("export KUBECONFIG={}", world.control_plane.kubeconfig().display());
        eprintln!("world: logs are in {}; Ctrl-C ends everything", world.dir.path().display());
        std::future::pending().await
    };
    tokio::select! {
        result = wait => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
