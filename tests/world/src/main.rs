//! Starts a world for hand work, or builds its programs ahead of time.

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use world::{Context, Image, NodeOptions, RegistryOptions, Result, World};

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
    Up {
        /// With a node that runs pods (needs root, containerd and runc).
        #[arg(long)]
        node: bool,
        /// With an image registry that lets everybody in.
        #[arg(long)]
        registry: bool,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Build => until_told_to_end(world::binaries::build_all()).await,
        Command::Up { node, registry } => until_told_to_end(up(node, registry)).await,
    }
}

async fn up(node: bool, registry: bool) -> Result<()> {
    let mut builder = World::builder();
    if registry {
        builder = builder.registry(RegistryOptions::default());
    }
    if node {
        builder = builder.node(NodeOptions::default());
    }
    let world = builder.start().await?;
    println!("export KUBECONFIG={}", world.control_plane.kubeconfig().display());
    if let Some(registry) = &world.registry {
        registry.push(&Image::new("example").await?, &["example:1"]).await?;
        println!("export IMAGE={}/example:1", registry.host());
    }
    if let Some(node) = &world.node {
        println!("export NODE={}", node.name());
    }
    eprintln!("world: logs are in {}; Ctrl-C ends everything", world.dir.path().display());
    std::future::pending().await
}

/// Drops the work, and so ends what it has started, at Ctrl-C, at SIGTERM, and when the terminal is closed.
async fn until_told_to_end(work: impl Future<Output = Result<()>>) -> Result<()> {
    let told = |kind| signal(kind).context(|| "listening for signals");
    let (mut interrupt, mut terminate) = (told(SignalKind::interrupt())?, told(SignalKind::terminate())?);
    let mut hangup = told(SignalKind::hangup())?;
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}
