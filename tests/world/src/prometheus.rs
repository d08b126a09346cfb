//! A real Prometheus.

use std::path::Path;
use std::time::Duration;

use crate::ports::Port;
use crate::process::{Launch, Process, find_program};
use crate::{Context, Result, WorldDir, WorldError, plain_http};

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    port: Port,
    _process: Process,
    _dir: WorldDir,
}

impl Prometheus {
    /// Starts one with this configuration. `None` where none is installed.
    pub async fn start(configuration: &str) -> Result<Option<Self>> {
        let Some(program) = find_program("prometheus") else { return Ok(None) };
        let (dir, port) = (WorldDir::new()?, Port::free()?);
        let mut process = launch(&program, dir.path(), &port, configuration)?.start()?;
        process.until_ready(Duration::from_secs(30), || ready(format!("http://127.0.0.1:{port}/-/ready"))).await?;
        Ok(Some(Self { port, _process: process, _dir: dir }))
    }

    /// Its address, as `http://127.0.0.1:9090`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn launch(program: &Path, dir: &Path, port: &Port, configuration: &str) -> Result<Launch> {
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, configuration).context(|| format!("writing {}", file.display()))?;
    let launch = Launch::new("prometheus", program, dir).flag("config.file", file);
    Ok(launch.flag("storage.tsdb.path", dir.join("data")).flag("web.listen-address", format!("127.0.0.1:{port}")))
}

async fn ready(url: String) -> Result<()> {
    let answer = plain_http()?.get(url).send().await.context(|| "asking Prometheus whether it is ready")?;
    answer.status().is_success().then_some(()).ok_or_else(|| WorldError::new("Prometheus is not ready yet"))
}
