//! What the metrics say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use pullmint::keeper::slot::Verification;
use pullmint::metrics::Metrics;
use pullmint::metrics::catalogue::{CATALOGUE, CODES, Kind, VERDICTS, VERIFICATIONS, Values};
use pullmint::provider::Reason;
use pullmint::registry::RegistryName;
use pullmint::status::{Counts, Role, SecretStatus, ServiceAccountStatus, Status};
use pullmint::sync::decide::{Verdict, Why};
use pullmint::why::catalogue::entries;

use crate::given::{self, NOON};
use crate::openmetrics::{Exposition, Sample};
use crate::promtool::promtool;

/// What a process with this status says that has done nothing yet.
fn at_first(status: &Status) -> Exposition {
    let metrics = Metrics::default();
    metrics.set_registries(&given::names(status));
    read(&metrics, status)
}

fn read(metrics: &Metrics, status: &Status) -> Exposition {
    let text = metrics.encode(status);
    Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_family_is_told_as_the_catalogue_describes_it() {
    let told = at_first(&given::healthy(NOON));
    let mut described = BTreeSet::new();
    for family in CATALOGUE.iter().flat_map(|group| group.families) {
        let (suffix, kind) = match family.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Info => ("_info", "info"),
        };
        let base = family.name.strip_suffix(suffix).expect("the suffix of its kind");
        let declared = told.families.get(base).unwrap_or_else(|| panic!("{} is not told", family.name));
        assert_eq!(declared.kind, kind, "{}", family.name);
        assert_eq!(declared.help, format!("{}.", family.help));
        assert_eq!(declared.unit.as_deref(), family.unit(), "{}", family.name);
        described.insert(base.to_owned());
        let sample = told.samples.iter().find(|sample| sample.name.starts_with(family.name)).expect("a series");
        let labels: BTreeSet<_> = sample.labels.keys().filter(|name| *name != "le").map(String::as_str).collect();
        assert_eq!(labels, family.labels.iter().map(|label| label.name).collect(), "{}", family.name);
    }
    assert_eq!(told.families.keys().cloned().collect::<BTreeSet<_>>(), described);
}

#[test]
fn a_zero_is_told_before_anything_has_happened() {
    let told = at_first(&given::healthy(NOON));
    for family in CATALOGUE.iter().flat_map(|group| group.families).filter(|family| family.kind == Kind::Counter) {
        let closed = family.labels.iter().filter(|label| label.name != "provider");
        for (label, values) in closed.filter_map(|label| match label.values {
            Values::OneOf(values) => Some((label.name, values)),
            Values::Each(_) => None,
        }) {
            let expected = values.iter().map(|value| ((*value).to_owned(), 0.0)).collect();
            assert_eq!(told.by(family.name, label), expected, "{}", family.name);
        }
    }
    assert_eq!(told.only("pullmint_time_to_cover_seconds_count"), 0.0);
    assert_eq!(told.only("pullmint_api_throttled_total"), 0.0);
    assert_eq!(told.by("pullmint_mint_duration_seconds_count", "registry").len(), 3);
}

#[test]
fn every_verdict_and_every_verification_is_foreseen() {
    let verdicts = [Verdict::Create, Verdict::Delete, Verdict::Keep, Verdict::Leave];
    let telling = [Verdict::Refuse(String::new()), Verdict::Wait(Vec::new())];
    let replacing = [Why::Adopted, Why::Changed, Why::Drifted, Why::Rotated, Why::Unconfirmed].map(Verdict::Replace);
    let words: BTreeSet<_> = verdicts.iter().chain(&telling).chain(&replacing).map(Verdict::as_str).collect();
    assert_eq!(words, BTreeSet::from(VERDICTS));
    let answers = [Verification::Accepted, Verification::Refused, Verification::Doubtful(String::new())];
    assert_eq!(answers.iter().map(Verification::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(VERIFICATIONS));
}

#[test]
fn failed_pulls_are_told_for_every_code_that_there_is() {
    let codes: Vec<_> = entries().iter().map(|entry| entry.code.to_string()).collect();
    assert_eq!(codes, CODES);
    let told = at_first(&given::troubled(NOON));
    let count = |code: &str| {
        let is_it = |sample: &&Sample| {
            sample.name == "pullmint_pull_failures" && sample.labels.get("code").is_some_and(|it| it == code)
        };
        told.samples.iter().find(is_it).map(|sample| sample.value)
    };
    assert_eq!([count("PM103"), count("PM302"), count("PM000")], [Some(34.0), Some(2.0), Some(0.0)]);
}

#[test]
fn what_has_happened_is_counted() {
    let metrics = Metrics::default();
    let status = given::healthy(NOON);
    metrics.set_registries(&given::names(&status));
    let ecr = RegistryName::new("ecr");
    metrics.attempted(&ecr, None, Duration::from_millis(300));
    metrics.attempted(&ecr, Some(Reason::Throttled), Duration::from_secs(2));
    metrics.attempted(&ecr, Some(Reason::Throttled), Duration::from_secs(2));
    metrics.verified(&ecr, "doubtful");
    metrics.decided("refuse");
    metrics.conflicted("field_manager");
    metrics.covered(Duration::from_millis(17));
    metrics.repaired(Duration::from_secs(300));
    metrics.throttled();

    let told = read(&metrics, &status);
    let of_ecr = |name: &str, label: &str| {
        let series = told.samples.iter().filter(|sample| sample.name == name);
        let series = series.filter(|sample| sample.labels["registry"] == "ecr" && sample.value > 0.0);
        series.map(|sample| (sample.labels[label].clone(), sample.value)).collect::<BTreeMap<_, _>>()
    };
    let outcomes = BTreeMap::from([("success".to_owned(), 1.0), ("throttled".to_owned(), 2.0)]);
    assert_eq!(of_ecr("pullmint_mint_attempts_total", "outcome"), outcomes);
    assert_eq!(of_ecr("pullmint_mint_duration_seconds_sum", "provider")["ecr"], 4.3);
    assert_eq!(of_ecr("pullmint_verifications_total", "outcome")["doubtful"], 1.0);
    assert_eq!(told.by("pullmint_verdicts_total", "verdict")["refuse"], 1.0);
    assert_eq!(told.by("pullmint_conflicts_total", "reason")["field_manager"], 1.0);
    let covered = told.by("pullmint_time_to_cover_seconds_bucket", "le");
    assert_eq!((covered["0.01"], covered["0.025"]), (0.0, 1.0));
    assert_eq!(told.by("pullmint_drift_repair_seconds_bucket", "le")["300.0"], 1.0);
    assert_eq!(told.only("pullmint_api_throttled_total"), 1.0);
}

#[test]
fn an_expiry_is_an_instant_or_never_or_none_yet() {
    let status = given::troubled(NOON);
    let told = at_first(&status);
    let noon = NOON.as_second() as f64;
    let expiries = told.by("pullmint_credential_expiry_timestamp_seconds", "registry");
    assert_eq!(expiries["ecr"], noon + 11.0 * 3600.0);
    assert_eq!(expiries["hub"], f64::INFINITY);
    assert_eq!(expiries["missing"], 0.0);
    assert_eq!(told.by("pullmint_credential_issued_timestamp_seconds", "registry")["missing"], 0.0);
    let secrets = told.by("pullmint_secret_expiry_timestamp_seconds", "secret");
    assert_eq!(secrets["pullmint-expired"], noon - 3600.0);
    assert_eq!(secrets["pullmint-foreign"], f64::INFINITY);
    assert_eq!(secrets["pullmint-missing"], 0.0);
}

#[test]
fn the_present_state_is_the_statuss() {
    let status = given::troubled(NOON);
    let told = at_first(&status);
    assert_eq!(told.only("pullmint_leader"), 1.0);
    assert_eq!(told.only("pullmint_config_last_reload_successful"), 0.0);
    assert_eq!(told.by("pullmint_mint_consecutive_failures", "registry")["failing"], 4.0);
    assert_eq!(told.by("pullmint_credential_verified", "registry")["missing"], 0.0);
    assert_eq!(told.by("pullmint_registry_rate_limit_remaining", "registry")["used-up"], 3.0);
    let states: BTreeSet<_> = told.by("pullmint_secrets", "state").into_keys().collect();
    assert_eq!(states.len(), 5);
    assert_eq!(told.by("pullmint_service_accounts", "state")["failing"], 1.0);
    assert_eq!(told.by("pullmint_loop_heartbeat_limit_seconds", "loop"), BTreeMap::from([("syncer".to_owned(), 60.0)]));
    let watches = told.by("pullmint_watch_activity_limit_seconds", "watch");
    let watched = ["namespaces", "secrets pullmint-expired"];
    assert_eq!(watches, watched.map(|what| (what.to_owned(), 300.0)).into());
    assert_eq!(told.by("pullmint_build_info", "version")["1.2.3"], 1.0);

    let mut standby = status;
    standby.leadership.role = Role::Standby;
    assert_eq!(at_first(&standby).only("pullmint_leader"), 0.0);
}

#[test]
fn series_end_with_their_registry() {
    let metrics = Metrics::default();
    let status = given::healthy(NOON);
    metrics.set_registries(&given::names(&status));
    let (hub, ecr) = (RegistryName::new("hub"), RegistryName::new("ecr"));
    metrics.attempted(&ecr, None, Duration::from_secs(1));

    metrics.set_registries(&[(ecr, "ecr")]);
    // Its keeper may have had one more word to say.
    metrics.attempted(&hub, None, Duration::from_secs(1));
    metrics.verified(&hub, "accepted");

    let told = read(&metrics, &status);
    for name in ["pullmint_mint_attempts_total", "pullmint_mint_duration_seconds_count", "pullmint_verifications_total"]
    {
        assert_eq!(told.by(name, "registry").into_keys().collect::<Vec<_>>(), ["ecr"], "{name}");
    }
    let kept: f64 = told.samples.iter().filter(|it| it.name == "pullmint_mint_attempts_total").map(|it| it.value).sum();
    assert_eq!(kept, 1.0, "the others keep their counts");
}

#[test]
fn the_process_tells_what_it_uses() {
    let status = given::healthy(NOON);
    let told = at_first(&status);
    assert_eq!(told.only("process_start_time_seconds"), NOON.as_second() as f64 - 24.0 * 3600.0);
    assert!(told.only("process_resident_memory_bytes") > 1_000_000.0);
    assert!(told.only("process_cpu_seconds_total") > 0.0);
    assert!(told.only("process_open_fds") >= 3.0);
}

#[test]
fn open_metrics_is_for_those_who_ask_for_it() {
    let (metrics, status) = (Metrics::default(), given::healthy(NOON));
    // Prometheus 2.42, and curl.
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
        text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (media_type, text) = metrics.answer(&status, prometheus);
    assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0") && text.ends_with("\n# EOF\n"));
    let (media_type, text) = metrics.answer(&status, "*/*");
    assert!(media_type.starts_with("text/plain; version=0.0.4"));
    for line in ["# TYPE pullmint_verdicts_total counter", "# TYPE pullmint_build_info gauge", "pullmint_leader 1.0"] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
}

#[test]
fn promtool_finds_no_fault_with_the_metrics() {
    let metrics = Metrics::default();
    let status = given::troubled(NOON);
    metrics.set_registries(&given::names(&status));
    given::work(&metrics, &given::names(&status));
    given::repair(&metrics);
    if let Some(verdict) = promtool(&["check", "metrics"], &metrics.answer(&status, "*/*").1) {
        verdict.unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn promtool_reads_names_that_nobody_would_choose() {
    let nasty = "a\"} evil{x=\"1\\line\nnext\t\u{1F511}";
    let mut status = given::healthy(NOON);
    status.registries = vec![given::registry(nasty, "ecr", None)];
    status.secrets = vec![given::secret(nasty, None, NOON)];
    status.loops = vec![given::heard(nasty, NOON, 1), given::heard(&format!("watch {nasty}"), NOON, 1)];
    let metrics = Metrics::default();
    metrics.set_registries(&given::names(&status));
    if let Some(verdict) = promtool(&["check", "metrics"], &metrics.answer(&status, "*/*").1) {
        verdict.unwrap_or_else(|faults| panic!("{faults}"));
    }
}

proptest! {
    #[test]
    fn whatever_the_names_they_are_read_back(names in proptest::collection::btree_set(any::<String>(), 1..4)) {
        let mut status = given::healthy(NOON);
        status.registries = names.iter().map(|name| given::registry(name, "ecr", None)).collect();
        status.secrets = names.iter().map(|name| given::secret(name, None, NOON)).collect();
        status.loops = names.iter().map(|name| given::heard(&format!("watch {name}"), NOON, 1)).collect();
        let told = at_first(&status);
        let read_back = |metric: &str, label: &str| told.by(metric, label).into_keys().collect::<BTreeSet<_>>();
        prop_assert_eq!(&read_back("pullmint_mint_consecutive_failures", "registry"), &names);
        prop_assert_eq!(&read_back("pullmint_mint_attempts_total", "registry"), &names);
        prop_assert_eq!(&read_back("pullmint_secret_expiry_timestamp_seconds", "secret"), &names);
        prop_assert_eq!(&read_back("pullmint_watch_activity_limit_seconds", "watch"), &names);
    }

    #[test]
    fn whatever_the_numbers_they_are_read_back(copies in any::<[u16; 5]>(), limit in any::<u64>(), at in 0_i64..253_402_207_200) {
        let mut status = given::healthy(NOON);
        let [in_sync, waiting, refused, failing, left_over] = copies.map(usize::from);
        let counts = Counts { in_sync, waiting, refused, failing, left_over };
        let at = jiff::Timestamp::from_second(at).expect("an instant");
        status.secrets = vec![SecretStatus { copies: counts, ..given::secret("one", Some(at), NOON) }];
        status.service_accounts = vec![ServiceAccountStatus { name: "default".into(), copies: counts }];
        status.loops = vec![given::heard("syncer", at, limit)];
        let told = at_first(&status);
        let states = told.by("pullmint_secrets", "state");
        prop_assert_eq!(states.values().sum::<f64>(), copies.into_iter().map(f64::from).sum::<f64>());
        prop_assert_eq!(states, told.by("pullmint_service_accounts", "state"));
        prop_assert_eq!(told.only("pullmint_secret_expiry_timestamp_seconds"), at.as_second() as f64);
        prop_assert_eq!(told.only("pullmint_loop_heartbeat_limit_seconds"), limit as f64);
    }
}
