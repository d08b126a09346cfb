//! A pullmint that runs, for the README's pictures of its status page and of the dashboard.

mod dashboard;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use tokio::process::Command;

use crate::demo::DemoOptions;
use crate::process::Process;
use crate::{Context, Result, Stage, WorldError, create_namespaces, plain_http};

/// The workspace's root.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The longest until everything is written.
const PATIENCE: Duration = Duration::from_secs(60);

/// What there are pictures of.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Subject {
    /// The status page of a pullmint that has just begun, by `docs/images/status.sh`.
    Status,
    /// The dashboard after some minutes of two pullmints, by `docs/images/dashboard.sh`.
    Dashboard,
}

/// Starts a cluster, the clouds and pullmint with the project's examples, and lets the subject's script look at it.
pub async fn take(subject: Subject, options: &DemoOptions) -> Result<()> {
    let stage = Stage::start(false).await?;
    let client = stage.world.control_plane.client().await?;
    create_namespaces(&client, "team", 8, &[]).await?;
    stage.push_images().await?;
    stage.configure_like(&Path::new(ROOT).join("config"))?;
    match subject {
        Subject::Status => {
            let pullmint = leader(&stage, &options.program).await?;
            run_script("status.sh", &[format!("http://{}/", address(&pullmint.log())?)]).await
        }
        Subject::Dashboard => dashboard::take(&stage, &options.program).await,
    }
}

/// A pullmint that has written everything.
async fn leader(stage: &Stage, program: &Path) -> Result<Process> {
    let mut pullmint = start(stage, program, "pullmint-0")?;
    let log = pullmint.log();
    pullmint.until_ready(PATIENCE, || ready(log.clone())).await?;
    Ok(pullmint)
}

fn start(stage: &Stage, program: &Path, identity: &str) -> Result<Process> {
    stage.pullmint(identity, program, &["run", "--identity", identity]).start()
}

/// Whether the first pass is over and every registry has its credential.
async fn ready(log: PathBuf) -> Result<()> {
    let url = format!("http://{}/status.json", address(&log)?);
    let answer = plain_http()?.get(url).send().await.context(|| "asking pullmint for its status")?;
    let status: serde_json::Value = answer.json().await.context(|| "reading pullmint's status")?;
    let registries = status["registries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if status["settled"] == true && registries.iter().all(|registry| registry["credential"].is_object()) {
        return Ok(());
    }
    Err(WorldError::new("pullmint has not written everything yet"))
}

/// Where pullmint serves, as it has logged.
fn address(log: &Path) -> Result<String> {
    let text = std::fs::read_to_string(log).context(|| format!("reading {}", log.display()))?;
    let line = text.lines().find(|line| line.contains("serving metrics, health and status"));
    let after = line.and_then(|line| line.split_once("127.0.0.1:")).map(|(_, after)| after);
    let port: String = after.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    if port.is_empty() { Err(WorldError::new("pullmint does not serve yet")) } else { Ok(format!("127.0.0.1:{port}")) }
}

/// Runs a script of `docs/images`.
async fn run_script(name: &str, arguments: &[String]) -> Result<()> {
    let script = Path::new(ROOT).join("docs/images").join(name);
    let made = Command::new(&script).args(arguments).status().await;
    let made = made.context(|| format!("running {}", script.display()))?;
    if made.success() { Ok(()) } else { Err(WorldError::new("the pictures could not be made; see above")) }
}
