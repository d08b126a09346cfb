//! What is counted and measured, for Prometheus.

use std::time::Duration;

use crate::provider::Reason;
use crate::registry::RegistryName;
use crate::status::Status;

/// All metrics of the process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Metrics {}

impl Metrics {
    /// The registries that there are now, each with its provider: their series exist from now on, those of others end.
    pub fn set_registries(&self, _registries: &[(RegistryName, &'static str)]) {}

    /// A keeper's attempt to renew has ended; `failed` tells why, if it did.
    pub fn attempted(&self, _registry: &RegistryName, _failed: Option<Reason>, _took: Duration) {}

    /// The registry was asked about a credential: `accepted`, `refused` or `doubtful`.
    pub fn verified(&self, _registry: &RegistryName, _verdict: &'static str) {}

    /// The syncer has decided about a Secret.
    pub fn decided(&self, _verdict: &'static str) {}

    /// A write was in somebody's way: `foreign`, `field_manager`, `outdated`, `unchangeable` or `forbidden`.
    pub fn conflicted(&self, _reason: &'static str) {}

    /// From a namespace's first sight to its Secret.
    pub fn covered(&self, _took: Duration) {}

    /// From the sight of a strange hand on a Secret to its repair.
    pub fn repaired(&self, _took: Duration) {}

    /// The API server asked for patience.
    pub fn throttled(&self) {}

    /// Everything in OpenMetrics text; gauges of the present state come from `status`.
    #[must_use]
    pub fn encode(&self, _status: &Status) -> String {
        String::new()
    }
}
