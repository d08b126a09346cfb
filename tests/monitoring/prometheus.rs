//! A real Prometheus that scrapes every second.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use world::ports::Port;
use world::process::{Launch, Process, find_program};
use world::{WorldDir, WorldError};

/// What is scraped, and the namespace that its series shall name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: &'static str,
    pub(crate) address: SocketAddr,
}

/// A running Prometheus, with the alerts loaded.
pub(crate) struct Prometheus {
    url: String,
    client: reqwest::Client,
    _process: Process,
    _port: Port,
    _dir: WorldDir,
}

impl Prometheus {
    /// Starts one. `None` where there is none.
    pub(crate) async fn start(targets: &[Target]) -> Option<Self> {
        let Some(program) = find_program("prometheus") else {
            world::skip("prometheus is not installed");
            return None;
        };
        world::install_crypto();
        let dir = WorldDir::new().expect("a directory");
        std::fs::write(dir.path().join("prometheus.yml"), configuration(targets)).expect("a configuration");
        let port = Port::free().expect("a port");
        let mut process = Launch::new("prometheus", program, dir.path())
            .flag("config.file", dir.path().join("prometheus.yml"))
            .flag("storage.tsdb.path", dir.path().join("data"))
            .flag("web.listen-address", format!("127.0.0.1:{port}"))
            .start()
            .expect("prometheus starts");
        let (url, client) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
        let ready = || async {
            let answer =
                client.get(format!("{url}/-/ready")).send().await.map_err(|e| WorldError::new(e.to_string()))?;
            answer.status().is_success().then_some(()).ok_or_else(|| WorldError::new("not ready"))
        };
        process.until_ready(Duration::from_secs(30), ready).await.expect("prometheus is ready");
        Some(Self { url, client, _process: process, _port: port, _dir: dir })
    }

    /// The series that a query gives now, each with its labels; those without a number (`NaN`) are left out.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let asked = self.client.post(format!("{}/api/v1/query", self.url)).form(&[("query", query)]).send().await;
        let answer: Value = asked.expect("an answer").json().await.expect("JSON");
        if answer["status"] != "success" {
            return Err(format!("{}: {query}", answer["error"]));
        }
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        Ok(series.into_iter().filter(|one| one["value"][1] != "NaN").collect())
    }

    /// How the scrapes go, for a test that fails.
    pub(crate) async fn targets(&self) -> String {
        let asked = self.client.get(format!("{}/api/v1/targets", self.url)).send().await;
        asked.expect("an answer").text().await.expect("text")
    }
}

fn configuration(targets: &[Target]) -> String {
    let rules = std::fs::canonicalize(Path::new("deploy/monitoring/alerts.yaml")).expect("the alerts");
    let mut text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs:\n  - job_name: pullmint\n    static_configs:\n",
        rules.display()
    );
    for Target { namespace, address } in targets {
        writeln!(text, "      - {{targets: ['{address}'], labels: {{namespace: {namespace}}}}}").expect("text");
    }
    text
}
