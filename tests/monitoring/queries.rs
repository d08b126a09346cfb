//! Every query of the alerts and of the dashboard, asked of a real Prometheus.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::routing::get;
use jiff::Timestamp;
use pullmint::clock::{Clock, SystemClock};
use pullmint::metrics::Metrics;
use pullmint::metrics::catalogue::{CATALOGUE, Kind};
use pullmint::registry::RegistryName;
use pullmint::status::Status;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alerts::{Alert, alerts};
use crate::dashboard::queries;
use crate::given;
use crate::prometheus::{Prometheus, Target};

/// A few scrapes, an evaluation, and a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is counted in a round, of these registries and their providers.
type Work = fn(usize, &Metrics, &[(RegistryName, &'static str)]);

const ROUND: Duration = Duration::from_millis(500);

/// In how many rounds there is one repair where all is well: each range that is asked for has one, and it takes a minute
/// until there are so many that it is an alarm.
const REPAIRED_ONCE_IN: usize = 12;

#[test]
fn only_metrics_that_exist_are_asked_for() {
    let told = CATALOGUE.iter().flat_map(|group| group.families).flat_map(|family| {
        let suffixes: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_count", "_sum"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)).collect::<Vec<_>>()
    });
    let told: BTreeSet<_> = told.collect();
    let asked = alerts().into_iter().map(|alert| (alert.name, alert.query));
    for (who, query) in asked.chain(queries().into_iter().map(|query| (query.panel, query.text))) {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics = words.filter(|word| word.starts_with("pullmint_") || word.starts_with("process_"));
        for metric in metrics {
            assert!(told.contains(metric), "{who} asks for {metric}, which does not exist");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_finds_something_in_a_real_prometheus() {
    let end = CancellationToken::new();
    let targets = [
        Target { namespace: "healthy", address: serve(&end, given::healthy, at_peace).await },
        Target { namespace: "troubled", address: serve(&end, given::troubled, contested).await },
        // Two that lead.
        Target { namespace: "troubled", address: serve(&end, given::troubled, contested).await },
        // One that has had nothing to do yet.
        Target { namespace: "idle", address: serve(&end, given::healthy, |_, _, _| ()).await },
        // And one without a leader.
        Target { namespace: "headless", address: serve(&end, given::standing_by, at_peace).await },
    ];
    let Some(prometheus) = Prometheus::start(&targets).await else { return };

    for query in queries() {
        for namespace in ["healthy", "troubled"] {
            until_found(&prometheus, &query.panel, &query.filled_in(namespace), |_| true).await;
        }
    }
    // Of nothing there is no quantile, and then a panel shows what it has for nothing, not an empty plot.
    let observed = "rate(pullmint_mint_duration_seconds_bucket{namespace=\"idle\"}[10s]) == 0";
    until_found(&prometheus, "what is idle", observed, |_| true).await;
    for query in queries().into_iter().filter(|query| query.text.contains("histogram_quantile")) {
        let found = prometheus.query(&query.filled_in("idle")).await.expect("an answer");
        assert!(found.is_empty(), "{}: {found:?}", query.panel);
    }
    // It contradicts all others, so it comes last.
    let (absent, others): (Vec<_>, Vec<_>) = alerts().into_iter().partition(|alert| alert.name == "PullmintAbsent");
    for Alert { name, query, .. } in others {
        until_found(&prometheus, &name, &query, |namespace| !["healthy", "idle"].contains(&namespace)).await;
    }
    end.cancel();
    for Alert { name, query, .. } in absent {
        until_found(&prometheus, &name, &query, |_| true).await;
    }
}

/// Asks until there is something, all of which must be of these namespaces.
async fn until_found(prometheus: &Prometheus, who: &str, query: &str, of: impl Fn(&str) -> bool) {
    let asking = async {
        loop {
            let found = prometheus.query(query).await.unwrap_or_else(|error| panic!("{who}: {error}"));
            for series in &found {
                let namespace = series["metric"]["namespace"].as_str().unwrap_or_default();
                assert!(of(namespace), "{who} finds something where all is well: {series}");
                assert_ne!(series["value"][1], "NaN", "{who} finds what is no number: {series}");
            }
            if !found.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, asking).await.is_err() {
        panic!("{who} finds nothing:\n{query}\n{}", prometheus.targets().await);
    }
}

fn at_peace(round: usize, metrics: &Metrics, registries: &[(RegistryName, &'static str)]) {
    given::work(metrics, registries);
    if round.is_multiple_of(REPAIRED_ONCE_IN) {
        given::repair(metrics);
    }
}

/// Somebody else changes Secrets again and again.
fn contested(_round: usize, metrics: &Metrics, registries: &[(RegistryName, &'static str)]) {
    given::work(metrics, registries);
    given::repair(metrics);
}

/// The metrics of a pullmint in this state that does this work again and again, until its end.
async fn serve(end: &CancellationToken, status: fn(Timestamp) -> Status, work: Work) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let metrics = Metrics::default();
    let registries = given::names(&status(SystemClock.now()));
    metrics.set_registries(&registries);
    let shown = metrics.clone();
    let answer = async move |asked: HeaderMap| {
        let accept = asked.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let (media_type, text) = shown.answer(&status(SystemClock.now()), accept);
        ([(CONTENT_TYPE, media_type)], text)
    };
    let router = Router::new().route("/metrics", get(answer));
    tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(end.clone().cancelled_owned()).into_future());
    tokio::spawn(end.clone().run_until_cancelled_owned(async move {
        for round in 0.. {
            tokio::time::sleep(ROUND).await;
            work(round, &metrics, &registries);
        }
    }));
    address
}
