//! A pullmint that has just begun, for the README's pictures of its status page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::demo::DemoOptions;
use crate::{Context, Result, Stage, WorldError, create_namespaces};

/// The workspace's root.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The longest until everything is written.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a cluster, the clouds and pullmint with the project's examples, and lets `docs/images/status.sh` look at it.
pub async fn take(options: &DemoOptions) -> Result<()> {
    let stage = Stage::start(false).await?;
    let client = stage.world.control_plane.client().await?;
    create_namespaces(&client, "team", 8, &[]).await?;
    stage.push_images().await?;
    stage.configure_like(&Path::new(ROOT).join("config"))?;
    let mut pullmint = stage.pullmint("pullmint", &options.program, &["run", "--identity", "pullmint-0"]).start()?;
    let log = pullmint.log();
    pullmint.until_ready(PATIENCE, || ready(log.clone())).await?;
    let script = Path::new(ROOT).join("docs/images/status.sh");
    let made = Command::new(&script).arg(format!("http://{}/", address(&log)?)).status().await;
    let made = made.context(|| format!("running {}", script.display()))?;
    if made.success() { Ok(()) } else { Err(WorldError::new("the pictures could not be made; see above")) }
}

/// Whether the first pass is over and every registry has its credential.
async fn ready(log: PathBuf) -> Result<()> {
    let url = format!("http://{}/status.json", address(&log)?);
    let answer = reqwest::get(url).await.context(|| "asking pullmint for its status")?;
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
