//! The command line: what can be asked for. One file per subcommand does it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::causes;
use crate::clock::{Clock, SystemClock};
use crate::cluster::{self, Cluster};
use crate::config::{Report, Settings};
use crate::daemon::Site;
use crate::metrics::Metrics;
use crate::pulse::Pulses;
use crate::telemetry::{self, LogFormat};

mod audit;
mod check;
mod completions;
mod once;
mod rbac;
mod render;
mod run;
mod schema;
mod why;
mod yaml;

/// Keeps short-lived registry pull credentials fresh in Kubernetes namespaces.
#[derive(Debug, Parser)]
#[command(name = "pullmint", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logs: LogArgs,
}

const EXIT_CODES: &str = "\
To begin with:
  pullmint check --config ./config    tries everything and writes nothing

Exit codes:
  0  all is well
  1  failed
  2  wrong usage, or a configuration that cannot be used
  3  partly done: some registries or Secrets failed; of `why` and `audit`: there are findings";

/// How it logs.
#[derive(Debug, Args)]
struct LogArgs {
    /// What is logged, to standard error: error, warn, info, debug, trace, or directives by module.
    /// `log` in pullmint.toml takes its place in `run`
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: String,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Directory with one NAME.toml per registry, and pullmint.toml for what concerns all
    #[arg(short, long, default_value = "/etc/pullmint", value_name = "DIR")]
    config: PathBuf,
}

/// Which namespace is pullmint's own.
#[derive(Debug, Args)]
pub struct HomeArgs {
    /// pullmint's own namespace, which marks what is its own. Default: the Pod's, or that of the kubeconfig's context
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mint, encode and sync until told to stop: what the Deployment runs
    #[command(after_help = "Example:\n  pullmint run --config ./config --log-format json")]
    Run(run::RunArgs),
    /// Mint and sync once, then exit: for CronJobs and CI
    #[command(after_help = "Example:\n  pullmint once --config ./config && kubectl apply -f app.yaml")]
    Once(once::OnceArgs),
    /// Try everything that `run` needs, and write nothing
    #[command(
        after_help = "Examples:\n  pullmint check --config ./config\n  pullmint check --output json | jq '.items[] | select(.result == \"failed\")'"
    )]
    Check(check::CheckArgs),
    /// Print the Secrets that would be written, redacted unless told otherwise
    #[command(
        after_help = "Examples:\n  pullmint render --config ./config\n  pullmint render --reveal --registry ecr | kubectl apply -n team-a -f -"
    )]
    Render(render::RenderArgs),
    /// Print the least RBAC roles that this configuration needs
    #[command(after_help = "Example:\n  pullmint rbac --config ./config --namespace pullmint | kubectl apply -f -")]
    Rbac(rbac::RbacArgs),
    /// Tell why images do not pull: the cause, what shows it, and the cure
    #[command(after_help = why::EXAMPLES)]
    Why(why::WhyArgs),
    /// Tell which images that run today would not be pulled on a fresh node
    #[command(after_help = "Example:\n  pullmint audit -A --output short\n\nExit codes are those of `pullmint why`.")]
    Audit(audit::AuditArgs),
    /// Print what the configuration files may hold: the JSON Schema, or the reference of all keys
    #[command(after_help = "Examples:\n  pullmint schema > pullmint.schema.json\n  pullmint schema --explain renew_at")]
    Schema(schema::SchemaArgs),
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  pullmint completions bash > /etc/bash_completion.d/pullmint")]
    Completions(completions::CompletionsArgs),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Done,
    /// Nothing came of it.
    Failed,
    /// The configuration cannot be used.
    Unusable,
    /// Some of it failed.
    Partial,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Unusable => 2,
            Outcome::Partial => 3,
        })
    }
}

impl Cli {
    /// Reads the command line. Under the name `kubectl-why`, kubectl's way to plugins, it is that of `pullmint why`.
    #[must_use]
    pub fn read() -> Self {
        let mut args: Vec<_> = std::env::args_os().collect();
        let is_plugin = args.first().is_some_and(|name| {
            Path::new(name).file_stem().is_some_and(|stem| stem == "kubectl-why" || stem == "kubectl_why")
        });
        if is_plugin {
            args.insert(1, "why".into());
        }
        Self::parse_from(args)
    }

    /// This one, with other than the usual time between two looks at the configuration: for a test that changes it often.
    #[must_use]
    pub fn looking_every(mut self, every: Duration) -> Self {
        if let Command::Run(run) = &mut self.command {
            run.look_every = every;
        }
        self
    }

    /// Does what was asked for. Results go to standard output, messages to standard error.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        let log = match telemetry::start(&self.logs.log, self.logs.log_format) {
            Ok(log) => log,
            Err(error) => {
                complain(&format!("--log {}: {error}", self.logs.log));
                return Outcome::Unusable.into();
            }
        };
        // One thread: the work is waiting, and memory is what a cluster pays for.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(&format!("could not start: {error}"));
                return Outcome::Failed.into();
            }
        };
        let outcome = match self.command {
            Command::Run(args) => runtime.block_on(run::run(&args, &log)),
            Command::Once(args) => runtime.block_on(once::once(&args)),
            Command::Check(args) => runtime.block_on(check::check(&args)),
            Command::Render(args) => runtime.block_on(render::render(&args)),
            Command::Rbac(args) => rbac::rbac(&args),
            Command::Audit(args) => runtime.block_on(audit::audit(&args)),
            Command::Why(args) => runtime.block_on(why::why(&args)),
            Command::Schema(args) => schema::schema(&args),
            Command::Completions(args) => completions::completions(&args),
        };
        // A provider's blocking helper, such as a name look-up without answer, must not hold up the end.
        runtime.shutdown_background();
        outcome.into()
    }
}

/// Says what went wrong, on standard error.
fn complain(message: &str) {
    eprintln!("pullmint: {message}");
}

/// Writes a result to standard output. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Outcome {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Outcome::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Outcome::Done,
        Err(error) => {
            complain(&format!("could not write to standard output: {error}"));
            Outcome::Failed
        }
    }
}

/// An error and its causes, one below the other.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    causes::joined(error, "\n  because: ")
}

/// The cluster. What is in the way of it is printed.
async fn site(identity: &str, home: &HomeArgs) -> Result<Site, Outcome> {
    let (clock, pulses): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Pulses::default());
    let Cluster { client, namespace } = cluster::connect(&clock, &pulses).await.map_err(|error| {
        complain(&explain(&error));
        Outcome::Failed
    })?;
    let namespace = home.namespace.clone().unwrap_or(namespace);
    let (identity, metrics) = (identity.to_owned(), Metrics::default());
    Ok(Site { client, namespace, identity, clock, metrics, pulses, deaf_after: cluster::DEAF_AFTER })
}

/// The report of everything that is wrong with a configuration, printed.
fn report(report: &Report) -> Outcome {
    let colour = !telemetry::no_colour() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    eprintln!("{}", report.render(colour));
    Outcome::Unusable
}

impl ConfigArgs {
    /// The settings, and the cluster in which they are to be put to work. What is in the way of either is printed.
    async fn in_cluster(&self, home: &HomeArgs) -> Result<(Settings, Site), Outcome> {
        let settings = self.load()?;
        Ok((settings, site("once", home).await?))
    }

    /// The settings, or the report of everything that is wrong with them, printed.
    fn load(&self) -> Result<Settings, Outcome> {
        crate::config::load(&self.config).map_err(|problems| report(&problems))
    }
}
