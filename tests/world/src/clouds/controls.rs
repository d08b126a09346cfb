//! What a test may do to the clouds, and what it may know of them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Clouds, Fault, Service};

impl Clouds {
    /// How long credentials live that a service mints from now on, whatever the client asks for.
    pub fn set_life(&self, service: Service, life: Duration) {
        self.state().lives.insert(service, life);
    }

    /// Disturbs every request to a service until [`Clouds::heal`].
    pub fn fail(&self, service: Service, fault: Fault) {
        self.state().faults.always(service, fault);
    }

    /// Disturbs the next `times` requests to a service; several plans are worked off in their order.
    pub fn fail_next(&self, service: Service, times: u32, fault: Fault) {
        self.state().faults.times(service, times, fault);
    }

    /// Drops what was planned for a service.
    pub fn heal(&self, service: Service) {
        self.state().faults.clear(service);
    }

    /// Moves the clouds' clock away from the system's.
    pub fn set_skew(&self, skew: SignedDuration) {
        self.state().skew = skew;
    }

    /// The clouds' own time.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Revokes one issued secret; tells whether there was such a one.
    pub fn revoke(&self, secret: &str) -> bool {
        self.state().vault.get_mut(secret).map(|grant| grant.revoked = true).is_some()
    }

    /// Revokes all that a service has issued so far.
    pub fn revoke_all(&self, service: Service) {
        self.state().vault.of_mut(service).for_each(|grant| grant.revoked = true);
    }

    /// Whether a secret was issued, is not revoked, and has time left.
    pub fn is_live(&self, secret: &str) -> bool {
        let state = self.state();
        state.vault.open(secret, state.now()).is_ok()
    }

    /// All secrets that a service issued, oldest first, dead ones too.
    pub fn issued(&self, service: Service) -> Vec<String> {
        self.state().vault.secrets(service)
    }

    /// All that was ever issued, and the secrets of AWS's keys, permanent and temporary ones.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.state();
        state.vault.all().chain(state.aws.secrets()).map(str::to_owned).collect()
    }

    /// How many requests a service had.
    pub fn requests(&self, service: Service) -> u64 {
        self.state().requests.get(&service).copied().unwrap_or_default()
    }

    /// How many credentials a service minted.
    pub fn mints(&self, service: Service) -> u64 {
        self.state().mints.get(&service).copied().unwrap_or_default()
    }

    /// How many requests registries and their token endpoints had.
    pub fn verifications(&self) -> u64 {
        Service::VERIFYING.into_iter().map(|service| self.requests(service)).sum()
    }

    /// The access tokens of a Docker ID or an organization, as Docker Hub's API shows them: without their secrets.
    pub fn hub_tokens(&self, owner: &str) -> Vec<Value> {
        self.state().hub.shown(owner)
    }

    /// The resources of one kind in the Azure subscription, as the resource manager shows them.
    pub fn azure_resources(&self, kind: &str) -> Vec<Value> {
        self.state().resources.of_kind(kind).cloned().collect()
    }

    /// Tokens an organization may have on Docker Hub (10 on the Team plan, 100 on Business).
    pub fn set_org_quota(&self, tokens: usize) {
        self.state().hub.quota = tokens;
    }

    /// Docker Hub's pull limit in six hours.
    pub fn set_pull_limit(&self, pulls: u64) {
        self.state().hub.pull_limit = pulls;
    }
}
