//! Figures of the real binary against a real API server, side by side with a bare loop of the same applies.
//!
//! `make bench` runs it. It prints a table and writes `target/bench.json`. Absolute times belong to the machine and the
//! moment; the ratios to the bare loop, taken pair by pair in the same run, are what can be compared.
//!
//! `BENCH_ROUNDS` (5) says how many pairs are taken, `BENCH_LARGE` (10000) how many namespaces the large cluster has;
//! 0 leaves that part out.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "real time is what is measured, and a table the result"
)]

use std::time::Duration;

mod bare;
mod bed;
mod report;
mod why;

use bed::{Bed, Pullmint};
use report::Report;

const SMALL: usize = 1_000;
const UNRELATED: usize = 20_000;
const UNRELATED_SIZE: usize = 10 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let rounds = number("BENCH_ROUNDS", 5);
    let large = number("BENCH_LARGE", 10_000);
    let mut report = Report::default();
    report.put("binary", "size", bed::binary_size(), "MiB", "at most 16");

    let bed = Bed::start().await;
    bed.namespaces("n", SMALL).await;
    bed.configure("");
    first_writes(&bed, &mut report, SMALL, rounds.min(3)).await;
    rotations(&bed, &mut report, SMALL, rounds).await;
    second_run_and_rest(&bed, &mut report).await;
    if large > SMALL {
        bed.namespaces("l", large - SMALL).await;
        rotations(&bed, &mut report, large, 3).await;
        memory(&bed, &mut report, large).await;
    }
    drop(bed);
    why::measure(&mut report, rounds).await;
    report.print();
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Nothing is there: from the mint until the last Secret is written, against the bare loop making as many.
async fn first_writes(bed: &Bed, report: &mut Report, namespaces: usize, rounds: usize) {
    for _ in 0..rounds {
        bed.wipe().await;
        let bare = bare::apply_everywhere(bed, "first").await;
        let mints = bed.mints();
        let mut pullmint = bed.run(&["run"]);
        let took = pullmint.until_written(namespaces).await;
        bed.assert_complete(namespaces).await;
        report.pair(&format!("{namespaces} namespaces, first written"), took, bare, "at most 1.1");
        report.put("mints", &format!("for {namespaces} namespaces"), (bed.mints() - mints) as f64, "", "1");
        report.put("memory", &format!("{namespaces} namespaces"), pullmint.resident_mib(), "MiB", "at most 20");
        drop(pullmint);
        let start = bed.start_to_first_secret().await;
        report.put("start", "process start to first Secret", start.as_secs_f64() * 1e3, "ms", "under 500");
    }
}

/// A renewal reaches everything, against the bare loop changing as many.
async fn rotations(bed: &Bed, report: &mut Report, namespaces: usize, rounds: usize) {
    bed.wipe().await;
    bed.configure(if namespaces > SMALL { "schedule = \"0 * * * * *\"" } else { "schedule = \"*/8 * * * * *\"" });
    bare::apply_everywhere(bed, "before").await;
    let mut pullmint = bed.run(&["run"]);
    let first = pullmint.until_written(namespaces).await;
    if namespaces > SMALL {
        report.put("large", &format!("{namespaces} namespaces, first written"), first.as_secs_f64(), "s", "");
    }
    for round in 0..rounds {
        let bare = bare::apply_everywhere(bed, &format!("round {round}")).await;
        let took = pullmint.until_written(namespaces).await;
        report.pair(&format!("{namespaces} namespaces, rotated"), took, bare, "at most 1.1");
    }
    drop(pullmint);
    bed.configure("");
}

/// Nothing has changed: a second process writes nothing, and then rests; single changes are answered at once.
async fn second_run_and_rest(bed: &Bed, report: &mut Report) {
    let mut pullmint = bed.run(&["run"]);
    pullmint.until_settled().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(pullmint);
    let before = bed.resource_versions().await;
    let mut pullmint = bed.run(&["run"]);
    pullmint.until_settled().await;
    let after = bed.resource_versions().await;
    let changed = before.iter().filter(|(name, version)| after.get(*name) != Some(version)).count();
    report.put("second run", "Secrets changed", changed as f64, "", "0");

    let (cpu, rest) = (pullmint.cpu(), Duration::from_secs(30));
    tokio::time::sleep(rest).await;
    let used = (pullmint.cpu() - cpu).as_secs_f64() / rest.as_secs_f64() * 100.0;
    report.put("rest", "one core's time", used, "%", "under 0.1");
    let resting = bed.resource_versions().await;
    report.put(
        "rest",
        "Secrets changed",
        resting.iter().filter(|(n, v)| after.get(*n) != Some(v)).count() as f64,
        "",
        "0",
    );

    for (what, times) in
        [("new namespace to Secret", bed.cover(200).await), ("deleted Secret to its like", bed.restore(200).await)]
    {
        report.quantile(what, &times, 0.5, "at most 10");
        report.quantile(what, &times, 0.99, "at most 50");
    }
}

/// What ten thousand namespaces, and many Secrets that are none of its business, cost.
async fn memory(bed: &Bed, report: &mut Report, namespaces: usize) {
    let mut measure = async |what: String, demand: &str| {
        let mut pullmint: Pullmint = bed.run(&["run"]);
        pullmint.until_settled().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        report.put("memory", &what, pullmint.resident_mib(), "MiB", demand);
    };
    measure(format!("{namespaces} namespaces"), "").await;
    bed.unrelated_secrets(UNRELATED, UNRELATED_SIZE).await;
    measure(format!("{namespaces} namespaces, {UNRELATED} unrelated Secrets"), "at most 28").await;
}
