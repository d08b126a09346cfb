//! Gauges of the present state, made anew from each [`Status`].

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::metrics::family::Family as SeriesOf;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::metrics::catalogue::{self, CODES, Family, Labels};
use crate::pulse::TroubleReason;
use crate::status::{
    CopyState, Counts, LoopStatus, PullFailuresStatus, RateLimitStatus, RegistryStatus, Role, SecretStatus,
    ServiceAccountStatus, Status,
};

/// A watch is a loop whose name begins so.
const WATCH: &str = "watch ";

/// The provider that may limit pulls.
const DOCKER_HUB: &str = "docker-hub";

pub(super) fn register(registry: &mut Registry, status: &Status) {
    credentials(registry, &status.registries);
    secrets(registry, &status.secrets);
    service_accounts(registry, &status.service_accounts);
    pulls(registry, status.pull_failures.as_ref());
    loops(registry, &status.loops);
    let configuration = &status.configuration;
    single(registry, &catalogue::LEADER, flag(status.leadership.role == Role::Leader));
    single(registry, &catalogue::RELOAD_SUCCESSFUL, flag(configuration.problems.is_empty()));
    single(registry, &catalogue::RELOAD_SUCCESS_AT, seconds(configuration.loaded_at));
    catalogue::BUILD.register(registry, Info::new(catalogue::BUILD.series(&[status.version])));
}

fn credentials(registry: &mut Registry, all: &[RegistryStatus]) {
    let mut each = |family: &Family, value: fn(&RegistryStatus) -> f64| {
        gauges(registry, family, all.iter().map(|one| ([one.name.as_str(), one.provider], value(one))));
    };
    each(&catalogue::CREDENTIAL_ISSUED, |one| one.credential.as_ref().map_or(0.0, |it| seconds(it.issued_at)));
    each(&catalogue::CREDENTIAL_EXPIRY, |one| {
        one.credential.as_ref().map_or(0.0, |it| it.expires_at.map_or(f64::INFINITY, seconds))
    });
    each(&catalogue::CREDENTIAL_NEXT_RENEWAL, |one| one.next_renewal_at.map_or(0.0, seconds));
    each(&catalogue::CREDENTIAL_VERIFIED, |one| {
        flag(one.credential.as_ref().is_some_and(|it| it.verification == "accepted"))
    });
    each(&catalogue::CREDENTIAL_VERIFIED_AT, |one| {
        one.credential.as_ref().and_then(|it| it.verified_at).map_or(0.0, seconds)
    });
    each(&catalogue::MINT_CONSECUTIVE_FAILURES, |one| {
        one.failure.as_ref().map_or(0.0, |failure| failure.consecutive.into())
    });
    let limited = || all.iter().filter(|one| one.provider == DOCKER_HUB || one.rate_limit.is_some());
    let pulls = |value: fn(RateLimitStatus) -> u64| {
        limited().map(move |one| ([one.name.as_str()], one.rate_limit.map_or(0, value) as f64))
    };
    gauges(registry, &catalogue::RATE_LIMIT, pulls(|limit| limit.limit));
    gauges(registry, &catalogue::RATE_LIMIT_REMAINING, pulls(|limit| limit.remaining));
}

fn secrets(registry: &mut Registry, all: &[SecretStatus]) {
    let expiry = |one: &SecretStatus| {
        let without_end = if one.copies.in_sync > 0 { f64::INFINITY } else { 0.0 };
        one.lowest_expires_at.map_or(without_end, seconds)
    };
    gauges(registry, &catalogue::SECRET_EXPIRY, all.iter().map(|one| ([one.name.as_str()], expiry(one))));
    let last_sync = all.iter().map(|one| ([one.name.as_str()], one.last_synced_at.map_or(0.0, seconds)));
    gauges(registry, &catalogue::SECRET_LAST_SYNC, last_sync);
    gauges(registry, &catalogue::SECRETS, all.iter().flat_map(|one| by_state(&one.name, one.copies)));
}

fn service_accounts(registry: &mut Registry, all: &[ServiceAccountStatus]) {
    gauges(registry, &catalogue::SERVICE_ACCOUNTS, all.iter().flat_map(|one| by_state(&one.name, one.copies)));
}

fn by_state(name: &str, copies: Counts) -> [([&str; 2], f64); 5] {
    CopyState::ALL.map(|state| ([name, state.as_str()], copies.of(state) as f64))
}

fn pulls(registry: &mut Registry, failures: Option<&PullFailuresStatus>) {
    let count = |code: &str| failures.and_then(|it| it.counts.get(code)).copied().unwrap_or_default() as f64;
    gauges(registry, &catalogue::PULL_FAILURES, CODES.iter().map(|&code| ([code], count(code))));
    let unexplained = failures.map_or(0, |it| it.unexplained);
    single(registry, &catalogue::PULL_FAILURES_UNEXPLAINED, unexplained as f64);
}

fn loops(registry: &mut Registry, all: &[LoopStatus]) {
    let watches = || all.iter().filter_map(|one| Some((one.name.strip_prefix(WATCH)?, one)));
    let others = || all.iter().filter(|one| !one.name.starts_with(WATCH)).map(|one| (one.name.as_str(), one));
    let last = |(name, one): (_, &LoopStatus)| ([name], seconds(one.last_beat_at));
    let limit = |(name, one): (_, &LoopStatus)| ([name], one.limit_seconds as f64);
    gauges(registry, &catalogue::LOOP_HEARTBEAT, others().map(last));
    gauges(registry, &catalogue::LOOP_LIMIT, others().map(limit));
    gauges(registry, &catalogue::WATCH_ACTIVITY, watches().map(last));
    gauges(registry, &catalogue::WATCH_LIMIT, watches().map(limit));
    let failing = |one: &LoopStatus, reason| flag(one.problem.as_ref().is_some_and(|it| it.reason == reason));
    let reasons = watches()
        .flat_map(|(name, one)| TroubleReason::ALL.map(|reason| ([name, reason.as_str()], failing(one, reason))));
    gauges(registry, &catalogue::WATCH_FAILING, reasons);
}

/// The one series of a family without labels.
pub(super) fn single(registry: &mut Registry, family: &Family, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    family.register(registry, gauge);
}

fn gauges<'a, const N: usize>(
    registry: &mut Registry,
    family: &Family,
    series: impl IntoIterator<Item = ([&'a str; N], f64)>,
) {
    let gauges = SeriesOf::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in series {
        gauges.get_or_create(&family.series(&labels)).set(value);
    }
    family.register(registry, gauges);
}

pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
