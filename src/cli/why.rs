//! `pullmint why`: the true cause of every image that does not pull.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::timeout;

use crate::cli::{Outcome, complain, explain, print};
use crate::clock::{Clock, SystemClock};
use crate::cluster::{self, Cluster};
use crate::network::Network;
use crate::pulse::Pulses;
use crate::telemetry;
use crate::why;
use crate::why::catalogue::Code;
use crate::why::finding::Certainty;
use crate::why::gather::target::{Workload, templates};
use crate::why::gather::{Gathered, Reach, Target, gather};
use crate::why::inquiry::Inquiry;
use crate::why::kept::Kept;
use crate::why::probe::guard::{Guard, proxies_of_environment};
use crate::why::probe::{Transport, TransportOptions};
use crate::why::report::{self, Report};

pub(super) const EXAMPLES: &str = "\
Examples:
  pullmint why                                    all failing pods of the current namespace
  pullmint why -A                                 of all namespaces
  pullmint why deploy/web -n shop                 the pods of one workload
  pullmint why --image acme.azurecr.io/app:1 --secret pull     before deploying
  pullmint why -f app.yaml --fail-on certain      in a pipeline

Exit codes:
  0  every image that was looked at can be pulled
  1  could not find out
  2  wrong usage
  3  there are findings (see --fail-on)

Every finding has a code, explained in docs/findings/CODE.md. As kubectl-why in the PATH, this is `kubectl why`.";

/// What `why` takes.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// A pod, or KIND/NAME of a workload; without it, all failing pods
    #[arg(value_name = "POD|KIND/NAME")]
    subject: Option<String>,
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "subject", "image", "filename"])]
    all_namespaces: bool,
    /// An image that no pod wants yet
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["subject", "filename"])]
    image: Option<String>,
    /// With --image: the pull Secrets [default: those of the ServiceAccount default]
    #[arg(long, value_name = "NAME", requires = "image")]
    secret: Vec<String>,
    /// A manifest: could its pods pull? `-` reads standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "subject")]
    filename: Option<PathBuf>,
    #[command(flatten)]
    means: Means,
    /// Print the JSON Schema of `--output json`
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// How it finds out, and tells.
#[derive(Debug, Args)]
pub(super) struct Means {
    /// The kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// How findings are told
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Output,
    /// Which findings make the exit code 3: `any`, `certain`, `none`, or codes like PM103,PM302
    #[arg(long, default_value = "any", value_name = "WHAT")]
    fail_on: FailOn,
    /// How long it may take, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Ask no registry: only the cluster, and the kubelet's messages
    #[arg(long)]
    offline: bool,
    /// Certificate authorities to trust besides the system's, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Also ask registries at addresses in this network; private ones and this machine's are not asked otherwise
    #[arg(long, value_name = "CIDR")]
    allow_network: Vec<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: cause, evidence, cure
    Text,
    /// One line a finding
    Short,
    /// For programs; see --schema
    Json,
}

/// Which findings count as a failure.
#[derive(Clone, Debug)]
enum FailOn {
    Any,
    Certain,
    None,
    Codes(Vec<Code>),
}

impl std::str::FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "any" => Self::Any,
            "certain" => Self::Certain,
            "none" => Self::None,
            codes => Self::Codes(codes.split(',').map(|code| code.trim().parse()).collect::<Result<_, _>>()?),
        })
    }
}

impl FailOn {
    /// That nothing is wrong any more is no failure.
    fn fails(&self, report: &Report) -> bool {
        let mut findings = report.findings.iter().map(|group| &group.finding);
        match self {
            Self::Any => findings.any(|finding| finding.code != Code::MENDED),
            Self::Certain => {
                findings.any(|finding| finding.code != Code::MENDED && finding.certainty == Certainty::Certain)
            }
            Self::None => false,
            Self::Codes(codes) => findings.any(|finding| codes.contains(&finding.code)),
        }
    }
}

pub(super) async fn why(args: &WhyArgs) -> Outcome {
    if args.schema {
        return print(&format!("{:#}\n", schemars::schema_for!(Report).as_value()));
    }
    tell(&args.means, |namespace| args.target(args.namespace.clone().unwrap_or(namespace))).await
}

/// Finds out about what `choose` makes of the usual namespace, and prints it.
pub(super) async fn tell(means: &Means, choose: impl FnOnce(String) -> Result<Target, Outcome>) -> Outcome {
    let found_out = timeout(Duration::from_secs(means.timeout), find_out(means, choose)).await;
    let report = match found_out {
        Ok(Ok(report)) => report,
        Ok(Err(outcome)) => return outcome,
        Err(_) => {
            complain(&format!("not done within {} s: name fewer pods, or give more --timeout", means.timeout));
            return Outcome::Failed;
        }
    };
    let text = match means.output {
        Output::Text => {
            let stdout = std::io::stdout();
            report::text(&report, width(), stdout.is_terminal() && !telemetry::no_colour())
        }
        Output::Short => report::short(&report),
        Output::Json => format!("{:#}\n", serde_json::json!(report)),
    };
    match print(&text) {
        Outcome::Done if means.fail_on.fails(&report) => Outcome::Partial,
        printed => printed,
    }
}

async fn find_out(means: &Means, choose: impl FnOnce(String) -> Result<Target, Outcome>) -> Result<Report, Outcome> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        complain(&explain(error));
        Outcome::Failed
    };
    let transport = match means.offline {
        true => None,
        false => Some(Transport::new(means.transport()).map_err(|error| failed(&error))?),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (kubeconfig, context) = (means.kubeconfig.as_deref(), means.context.as_deref());
    let Cluster { client, namespace } =
        cluster::connect_to(kubeconfig, context, &clock, &Pulses::default()).await.map_err(|error| failed(&error))?;
    let target = choose(namespace)?;
    let bar = progress("{spinner} {msg}");
    bar.set_message("reading pods");
    let (gathered, kept) = tokio::join!(gather(&client, &target, &Reach::Whatever), Kept::ask(&client));
    bar.finish_and_clear();
    let Gathered { mut cases, waiting, pods, notes } = gathered.map_err(|error| {
        complain(&unread(&error));
        Outcome::Failed
    })?;
    let kept = Arc::new(kept);
    cases.iter_mut().for_each(|case| case.kept = Arc::clone(&kept));
    let bar = progress("{spinner} {msg} {wide_bar} {pos}/{len}");
    bar.set_length(cases.len() as u64);
    bar.set_message("asking registries");
    let inquiry = Inquiry::new(transport);
    let now = clock.now();
    let judged = why::judge_all(cases, &inquiry, now, || bar.inc(1)).await;
    bar.finish_and_clear();
    let mut report = Report::new(&judged, now);
    report.pods = pods;
    report.notes = notes;
    report.asked = inquiry.asked();
    for (_, reason) in waiting {
        *report.waiting.entry(reason).or_default() += 1;
    }
    Ok(report)
}

/// Why what was asked about could not be read, and what may help.
fn unread(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            format!("{}: is it in another namespace (-n), or another cluster (--context)?", status.message)
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!("{}\n  docs/why.md says what has to be read; what else is forbidden is left out", status.message)
        }
        kube::Error::Api(status) => format!("the API server refuses: {}", status.message),
        error => format!("could not ask the API server: {}", explain(error)),
    }
}

impl WhyArgs {
    fn target(&self, namespace: String) -> Result<Target, Outcome> {
        if let Some(image) = &self.image {
            return Ok(Target::Image { namespace, image: image.clone(), secrets: self.secret.clone() });
        }
        if let Some(file) = &self.filename {
            let wrong = |why: &dyn std::fmt::Display| {
                complain(&format!("{}: {why}", file.display()));
                Outcome::Unusable
            };
            let text = match file.as_os_str() == "-" {
                true => std::io::read_to_string(std::io::stdin()),
                false => std::fs::read_to_string(file),
            };
            let text = text.map_err(|error| wrong(&error))?;
            return Ok(Target::Planned(templates(&text, &namespace).map_err(|error| wrong(&error))?));
        }
        let Some(subject) = &self.subject else {
            return Ok(Target::Failing((!self.all_namespaces).then_some(namespace)));
        };
        let (kind, name) = subject.split_once('/').unwrap_or(("pod", subject));
        if matches!(kind.to_lowercase().as_str(), "pod" | "pods" | "po") {
            return Ok(Target::Pod { namespace, name: name.to_owned() });
        }
        let Some(kind) = Workload::of(kind) else {
            complain(&format!("{kind:?} is no kind that makes pods: pod, deploy, sts, ds, rs, rc, job or cj"));
            return Err(Outcome::Unusable);
        };
        Ok(Target::Workload { namespace, kind, name: name.to_owned() })
    }
}

impl Means {
    fn transport(&self) -> TransportOptions {
        let guard = Guard { allowed: self.allow_network.clone(), proxies: proxies_of_environment() };
        TransportOptions { ca_file: self.ca_file.clone(), guard }
    }
}

fn progress(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The terminal's columns; a pipe has as many as are good to read.
fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| size.ws_col).unwrap_or_default();
    if columns == 0 { 100 } else { columns.into() }
}
