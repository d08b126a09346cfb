//! docs/metrics.md, made of the catalogue.

use std::collections::BTreeMap;
use std::fmt::Write;

use pullmint::metrics::catalogue::{CATALOGUE, Family, Kind, Label, Values};

const PAGE: &str = "docs/metrics.md";

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    let page = page();
    if std::env::var_os("PULLMINT_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &page).expect("written");
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        written == page,
        "{PAGE} is out of date; PULLMINT_WRITE_DOCS=1 cargo test --test monitoring writes it anew"
    );
}

const PREFACE: &str = "\
<!-- Made by `PULLMINT_WRITE_DOCS=1 cargo test --test monitoring` from src/metrics/catalogue.rs. -->

# Metrics

`pullmint run` answers on `/metrics`: in OpenMetrics text to those who ask for it, as Prometheus does, and in
Prometheus' older text format to all others.

- Instants are Unix timestamps, not countdowns, so they stay true when pullmint hangs: subtract `time()`.
- `0` says that there is nothing yet, `+Inf` that something never expires. Leave out the one with `> 0`; the other one
  behaves by itself, since `+Inf - time()` is never small.
- All series exist from the start, so a first failure is an increase from 0. Those of a registry end when it leaves the
  configuration; those of a loop or watch are there while it runs, and some run only where pullmint leads.
- Every replica tells everything, but only the leader mints and writes; a standby knows nothing of credentials and
  Secrets. Ask the leader: `pullmint_secrets and on (job, instance) (pullmint_leader == 1)`.
- No label holds anything secret, and none grows with the number of namespaces: Secrets are told by name, over all of
  their copies.

`deploy/monitoring` holds the alerts, each with [a page on what to do](runbooks), and a Grafana dashboard.
";

fn page() -> String {
    let mut page = PREFACE.to_owned();
    for group in CATALOGUE {
        write!(page, "\n## {}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n", group.title)
            .expect("text");
        for family in group.families {
            let labels = code(family.labels.iter().map(|label| label.name));
            writeln!(page, "| `{}` | {} | {labels} | {} |", family.name, kind(family), family.help).expect("text");
        }
    }
    page + "\n## Labels\n\n| Label | Values |\n|---|---|\n" + &labels()
}

/// One row for each label; where its values depend on the metric, one for each set of them.
fn labels() -> String {
    let mut labels: BTreeMap<&str, BTreeMap<&Values, Vec<&str>>> = BTreeMap::new();
    for family in CATALOGUE.iter().flat_map(|group| group.families) {
        for Label { name, values } in family.labels {
            labels.entry(name).or_default().entry(values).or_default().push(family.name);
        }
    }
    let mut rows = String::new();
    for (name, sets) in &labels {
        for (values, metrics) in sets {
            let on = if sets.len() == 1 { String::new() } else { format!(" of {}", code(metrics.iter().copied())) };
            let values = match values {
                Values::OneOf(values) => code(values.iter().copied()),
                Values::Each(what) => format!("one per {what}"),
            };
            writeln!(rows, "| `{name}`{on} | {values} |").expect("text");
        }
    }
    rows
}

fn code<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn kind(family: &Family) -> &'static str {
    match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    }
}
