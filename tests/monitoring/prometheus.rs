//! A real Prometheus that scrapes every second.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

/// What is scraped, and the namespace that its series shall name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: &'static str,
    pub(crate) address: SocketAddr,
}

/// A running Prometheus, with the alerts loaded.
pub(crate) struct Prometheus {
    server: world::prometheus::Prometheus,
    client: reqwest::Client,
}

impl Prometheus {
    /// Starts one. `None` where there is none.
    pub(crate) async fn start(targets: &[Target]) -> Option<Self> {
        let started = world::prometheus::Prometheus::start(&configuration(targets)).await;
        let Some(server) = started.expect("prometheus starts") else {
            world::skip("prometheus is not installed");
            return None;
        };
        Some(Self { server, client: world::plain_http().expect("a client") })
    }

    /// The series that a query gives now, each with its labels.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let asked =
            self.client.post(format!("{}/api/v1/query", self.server.url())).form(&[("query", query)]).send().await;
        let answer: Value = asked.expect("an answer").json().await.expect("JSON");
        if answer["status"] != "success" {
            return Err(format!("{}: {query}", answer["error"]));
        }
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// How the scrapes go, for a test that fails.
    pub(crate) async fn targets(&self) -> String {
        let asked = self.client.get(format!("{}/api/v1/targets", self.server.url())).send().await;
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
