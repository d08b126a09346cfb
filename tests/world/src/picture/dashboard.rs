//! Two pullmints whose clouds live sixty times as fast as real ones, scraped by a real Prometheus: in twelve minutes
//! come about what the dashboard shows at first, twelve hours.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::{PATIENCE, address, leader, ready, run_script, start};
use crate::clouds::Service;
use crate::prometheus::Prometheus;
use crate::{Result, Stage, WorldError};

/// How many minutes the pictures show.
const MINUTES: u64 = 12;

/// The lives of credentials: a minute for each hour of the real ones.
const LIVES: [(Service, Duration); 4] = [
    (Service::Ecr, Duration::from_mins(12)),
    (Service::EcrPublic, Duration::from_mins(12)),
    (Service::AcrExchange, Duration::from_mins(3)),
    (Service::AcrToken, Duration::from_mins(3)),
];

/// Lets `docs/images/dashboard.sh` look at what Prometheus has gathered.
pub(super) async fn take(stage: &Stage, program: &Path) -> Result<()> {
    for (service, life) in LIVES {
        stage.clouds.set_life(service, life);
    }
    let leader = leader(stage, program).await?;
    let mut standby = start(stage, program, "pullmint-1")?;
    let log = standby.log();
    standby.until_ready(PATIENCE, || async { address(&log).map(drop) }).await?;
    let pods = [("pullmint-0", address(&leader.log())?), ("pullmint-1", address(&log)?)];
    let Some(prometheus) = Prometheus::start(&configuration(&pods)).await? else {
        return Err(WorldError::new("prometheus is not installed; Debian's package is called so"));
    };
    eprintln!("world: the pictures are taken in {MINUTES} minutes");
    sleep(Duration::from_mins(MINUTES)).await;
    ready(leader.log()).await?;
    run_script("dashboard.sh", &[prometheus.url(), MINUTES.to_string()]).await
}

/// Scrapes each pod every five seconds, under the names that a cluster's Prometheus gives it.
fn configuration(pods: &[(&str, String)]) -> String {
    let targets = pods.iter().map(|(pod, address)| {
        format!("      - {{targets: ['{address}'], labels: {{namespace: pullmint, pod: {pod}}}}}\n")
    });
    let targets: String = targets.collect();
    format!("global: {{scrape_interval: 5s}}\nscrape_configs:\n  - job_name: pullmint\n    static_configs:\n{targets}")
}
