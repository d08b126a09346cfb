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
        Command::Build => world::binaries::build_all(),
        Command::Up { node, registry } => up(node, registry).await,
    }
}

async fn up(node: bool, registry: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context(|| "listening for SIGTERM")?;
    let mut builder = World::builder();
    if registry {
        builder = builder.registry(RegistryOptions::default());
    }
    if node {
        builder = builder.node(NodeOptions::default());
    }
    let wait = async {
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
    };
    tokio::select! {
        result = wait => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
