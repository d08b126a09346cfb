//! Starts a world for hand work, or builds its programs ahead of time.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use world::demo::{self, DemoOptions, Screen};
use world::picture::{self, Subject};
use world::{Context, Image, NodeOptions, PodNetwork, RegistryOptions, Result, World, WorldDir};

#[derive(Parser)]
#[command(about = "A real Kubernetes on this machine, for tests and hand work", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the cluster's programs and what they make, so that later starts take seconds.
    Build,
    /// Starts a world, prints its KUBECONFIG, and ends it at Ctrl-C.
    Up {
        /// With a node that runs pods (needs root, containerd and runc).
        #[arg(long)]
        node: bool,
        /// With a network for the node's pods, which otherwise use the machine's own.
        #[arg(long, requires = "node")]
        pod_network: bool,
        /// With an image registry that lets everybody in.
        #[arg(long)]
        registry: bool,
    },
    /// Shows pullmint at work on a real cluster.
    ///
    /// DEMO_SECONDS says how long (120), and DEMO_KUBECONFIG names a cluster of your own to use.
    Demo {
        /// pullmint's program; by default the one beside this one.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Makes the README's pictures (needs chromium; those of the dashboard also Prometheus, node, npm, and 13 minutes).
    Picture {
        /// Of what.
        subject: Subject,
        /// pullmint's program; by default the one beside this one.
        #[arg(long)]
        program: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Build => until_told_to_end(build()).await?,
        Command::Up { node, pod_network, registry } => until_told_to_end(up(node, pod_network, registry)).await?,
        Command::Picture { subject, program } => {
            until_told_to_end(picture::take(subject, &DemoOptions::new(program)?)).await?;
        }
        // It has things to put away before it ends.
        Command::Demo { program } => {
            let as_claimed = demo::run(&DemoOptions::new(program)?, Screen::terminal(), told_to_end()).await?;
            return Ok(if as_claimed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn build() -> Result<()> {
    world::binaries::build_all().await?;
    world::prometheus_operator::definitions().await.map(drop)
}

async fn up(node: bool, pod_network: bool, registry: bool) -> Result<()> {
    let mut builder = World::builder();
    if registry {
        builder = builder.registry(RegistryOptions::default());
    }
    if node {
        builder = builder.node(NodeOptions::default());
    }
    if pod_network {
        let dir = WorldDir::new()?;
        builder = builder.pod_network(PodNetwork::start(&dir).await?, dir);
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

/// Drops the work, and so ends what it has started, when told to end.
async fn until_told_to_end(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        result = work => result,
        told = told_to_end() => told,
    }
}

/// Returns at Ctrl-C, at SIGTERM, and when the terminal is closed.
async fn told_to_end() -> Result<()> {
    let told = |kind| signal(kind).context(|| "listening for signals");
    let (mut interrupt, mut terminate) = (told(SignalKind::interrupt())?, told(SignalKind::terminate())?);
    let mut hangup = told(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
