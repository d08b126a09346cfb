//! What is counted and measured, for Prometheus.
//!
//! Counters and histograms live here, and whoever does the work reports it; gauges of the present state are made from
//! the [`Status`] of each scrape. All of them are described in the [`catalogue`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::provider::Reason;
use crate::registry::RegistryName;
use crate::status::Status;

pub mod catalogue;
mod plain;
mod present;
mod process;

use catalogue::{CONFLICTS, Labels, OUTCOMES, RECOVERIES, SUCCESS, VERDICTS, VERIFICATIONS};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of the process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The registries with series, each with its provider.
    registries: Mutex<BTreeSet<(RegistryName, &'static str)>>,
    attempts: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    verifications: Family<Labels, Counter>,
    verdicts: Family<Labels, Counter>,
    conflicts: Family<Labels, Counter>,
    time_to_cover: Histogram,
    drift_repair: Histogram,
    throttled: Counter,
    recoveries: Family<Labels, Counter>,
    /// All of the above.
    registry: Registry,
}

/// Up to the longest that a mint and the question to the registry may take together.
const MINT_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 65.0];

/// Dense where an API server at rest answers; then, from 10 s on, the steps by which the kubelet's image back-off grows:
/// a pod that came before its Secret waits for the next of them.
const WRITE_BUCKETS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0];

impl Metrics {
    /// The registries that there are now, each with its provider: their series exist from now on, those of others end.
    pub fn set_registries(&self, registries: &[(RegistryName, &'static str)]) {
        let now: BTreeSet<_> = registries.iter().cloned().collect();
        let mut known = self.shared.registries();
        for (registry, provider) in known.difference(&now) {
            self.shared.end_series(registry, provider);
        }
        for (registry, provider) in &now {
            self.shared.begin_series(registry, provider);
        }
        *known = now;
    }

    /// A keeper's attempt to renew has ended; `failed` tells why, if it did.
    pub fn attempted(&self, registry: &RegistryName, failed: Option<Reason>, took: Duration) {
        // A keeper that is about to end must not revive its series.
        let known = self.shared.registries();
        let Some((_, provider)) = known.iter().find(|(name, _)| name == registry) else { return };
        let outcome = failed.map_or(SUCCESS, Reason::as_str);
        self.shared.attempts.get_or_create(&attempts(registry, provider, outcome)).inc();
        self.shared.durations.get_or_create(&durations(registry, provider)).observe(took.as_secs_f64());
    }

    /// The registry was asked about a credential: `accepted`, `refused` or `doubtful`.
    pub fn verified(&self, registry: &RegistryName, verdict: &'static str) {
        debug_assert!(VERIFICATIONS.contains(&verdict), "the catalogue has no verification {verdict}");
        let known = self.shared.registries();
        if known.iter().any(|(name, _)| name == registry) {
            self.shared.verifications.get_or_create(&verifications(registry, verdict)).inc();
        }
    }

    /// The syncer has decided about a Secret.
    pub fn decided(&self, verdict: &'static str) {
        debug_assert!(VERDICTS.contains(&verdict), "the catalogue has no verdict {verdict}");
        self.shared.verdicts.get_or_create(&catalogue::VERDICTS_REACHED.series(&[verdict])).inc();
    }

    /// A write was in somebody's way: `foreign`, `field_manager`, `outdated`, `unchangeable` or `forbidden`.
    pub fn conflicted(&self, reason: &'static str) {
        debug_assert!(CONFLICTS.contains(&reason), "the catalogue has no conflict {reason}");
        self.shared.conflicts.get_or_create(&catalogue::CONFLICTS_MET.series(&[reason])).inc();
    }

    /// From a namespace's first sight to one of its Secrets.
    pub fn covered(&self, took: Duration) {
        self.shared.time_to_cover.observe(took.as_secs_f64());
    }

    /// From the sight of a strange hand on a Secret to its repair.
    pub fn repaired(&self, took: Duration) {
        self.shared.drift_repair.observe(took.as_secs_f64());
    }

    /// The API server asked for patience.
    pub fn throttled(&self) {
        self.shared.throttled.inc();
    }

    /// The API server was asked to delete a pod: `deleted`, `conflict`, `forbidden` or `failed`.
    pub fn recovered(&self, outcome: &'static str) {
        debug_assert!(RECOVERIES.contains(&outcome), "the catalogue has no recovery {outcome}");
        self.shared.recoveries.get_or_create(&catalogue::POD_RECOVERIES.series(&[outcome])).inc();
    }

    /// Everything in OpenMetrics text; gauges of the present state come from `status`.
    #[must_use]
    pub fn encode(&self, status: &Status) -> String {
        let mut present = Registry::default();
        present::register(&mut present, status);
        process::register(&mut present, status.started_at);
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.shared.registry)
            .and_then(|()| encode_registry(&mut text, &present))
            .and_then(|()| encode_eof(&mut text));
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    }

    /// The answer to a scrape with this `Accept` header, and its media type: OpenMetrics to those who ask for it, and
    /// what everybody reads, `promtool check metrics` too, to all others.
    #[must_use]
    pub fn answer(&self, status: &Status, accept: &str) -> (&'static str, String) {
        let text = self.encode(status);
        if accept.contains("application/openmetrics-text") {
            (OPEN_METRICS, text)
        } else {
            (PLAIN, plain::plain(&text))
        }
    }
}

impl Default for Shared {
    fn default() -> Self {
        let shared = Self {
            registries: Mutex::default(),
            attempts: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(MINT_BUCKETS)),
            verifications: Family::default(),
            verdicts: Family::default(),
            conflicts: Family::default(),
            time_to_cover: Histogram::new(WRITE_BUCKETS),
            drift_repair: Histogram::new(WRITE_BUCKETS),
            throttled: Counter::default(),
            recoveries: Family::default(),
            registry: Registry::default(),
        };
        for verdict in VERDICTS {
            let _zero = shared.verdicts.get_or_create(&catalogue::VERDICTS_REACHED.series(&[verdict]));
        }
        for reason in CONFLICTS {
            let _zero = shared.conflicts.get_or_create(&catalogue::CONFLICTS_MET.series(&[reason]));
        }
        for outcome in RECOVERIES {
            let _zero = shared.recoveries.get_or_create(&catalogue::POD_RECOVERIES.series(&[outcome]));
        }
        let registry = shared.registered();
        Self { registry, ..shared }
    }
}

impl Shared {
    fn registered(&self) -> Registry {
        let mut registry = Registry::default();
        catalogue::MINT_ATTEMPTS.register(&mut registry, self.attempts.clone());
        catalogue::MINT_DURATION.register(&mut registry, self.durations.clone());
        catalogue::VERIFICATIONS_MADE.register(&mut registry, self.verifications.clone());
        catalogue::VERDICTS_REACHED.register(&mut registry, self.verdicts.clone());
        catalogue::CONFLICTS_MET.register(&mut registry, self.conflicts.clone());
        catalogue::TIME_TO_COVER.register(&mut registry, self.time_to_cover.clone());
        catalogue::DRIFT_REPAIR.register(&mut registry, self.drift_repair.clone());
        catalogue::API_THROTTLED.register(&mut registry, self.throttled.clone());
        catalogue::POD_RECOVERIES.register(&mut registry, self.recoveries.clone());
        registry
    }

    fn begin_series(&self, registry: &RegistryName, provider: &str) {
        for outcome in OUTCOMES {
            let _zero = self.attempts.get_or_create(&attempts(registry, provider, outcome));
        }
        let _zero = self.durations.get_or_create(&durations(registry, provider));
        for verdict in VERIFICATIONS {
            let _zero = self.verifications.get_or_create(&verifications(registry, verdict));
        }
    }

    fn end_series(&self, registry: &RegistryName, provider: &str) {
        for outcome in OUTCOMES {
            self.attempts.remove(&attempts(registry, provider, outcome));
        }
        self.durations.remove(&durations(registry, provider));
        for verdict in VERIFICATIONS {
            self.verifications.remove(&verifications(registry, verdict));
        }
    }

    fn registries(&self) -> MutexGuard<'_, BTreeSet<(RegistryName, &'static str)>> {
        // Whoever panicked while holding it left a set all the same.
        self.registries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attempts(registry: &RegistryName, provider: &str, outcome: &str) -> Labels {
    catalogue::MINT_ATTEMPTS.series(&[registry.as_str(), provider, outcome])
}

fn durations(registry: &RegistryName, provider: &str) -> Labels {
    catalogue::MINT_DURATION.series(&[registry.as_str(), provider])
}

fn verifications(registry: &RegistryName, verdict: &str) -> Labels {
    catalogue::VERIFICATIONS_MADE.series(&[registry.as_str(), verdict])
}
