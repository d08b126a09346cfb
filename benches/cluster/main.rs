//! Figures of the real binary against a real API server, side by side with a bare loop of the same applies.
//!
//! `make bench` runs it. It prints a table and writes `target/bench.json`. Absolute times belong to the machine and the
//! moment; the ratios to the bare loop, taken pair by pair in the same run, are what can be compared.
//!
//! `BENCH_ROUNDS` (5) says how many pairs are taken. `BENCH_PERCENT` (100) is the share of namespaces, Secrets, pods and
//! rest: with less of them it is a trial of the whole, whose figures are printed and not written.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "real time is what is measured, and a table the result"
)]

use std::time::Duration;

mod bare;
mod bed;
mod extent;
mod report;
mod why;

use bed::{Bed, Pullmint};
use extent::Extent;
use report::Report;

const UNRELATED_SIZE: usize = 10 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let extent = Extent::from_env();
    let (small, large) = (extent.of(1_000), extent.of(10_000));
    let mut report = Report::default();
    report.put("binary", "size", bed::binary_size(), "MiB", "at most 16");

    let bed = Bed::start().await;
    bed.namespaces("n", small).await;
    bed.configure("");
    first_writes(&bed, &mut report, small, extent.rounds(3)).await;
    rotations(&bed, &mut report, small, extent.rounds(5)).await;
    second_run_and_rest(&bed, &mut report, extent).await;
    bed.namespaces("l", large - small).await;
    rotations(&bed, &mut report, large, extent.rounds(3)).await;
    memory(&bed, &mut report, large, extent.of(20_000)).await;
    drop(bed);
    why::measure(&mut report, extent.of(1_000), extent.rounds(5)).await;
    report.print();
    if extent.is_whole() {
        report.write();
    }
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
    bed.configure(&format!("schedule = \"{}\"", extent::schedule(namespaces)));
    bare::apply_everywhere(bed, "before").await;
    let mut pullmint = bed.run(&["run"]);
    let first = pullmint.until_written(namespaces).await;
    report.put("first after a wipe", &format!("{namespaces} namespaces"), first.as_secs_f64(), "s", "");
    for round in 0..rounds {
        let bare = bare::apply_everywhere(bed, &format!("round {round}")).await;
        let took = pullmint.until_written(namespaces).await;
        report.pair(&format!("{namespaces} namespaces, rotated"), took, bare, "at most 1.1");
    }
    drop(pullmint);
    bed.configure("");
}

/// Nothing has changed: a second process writes nothing, and then rests; single changes are answered at once.
async fn second_run_and_rest(bed: &Bed, report: &mut Report, extent: Extent) {
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

    let (cpu, rest) = (pullmint.cpu(), extent.rest());
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

    let count = extent.of(200);
    for (what, times) in
        [("new namespace to Secret", bed.cover(count).await), ("deleted Secret to its like", bed.restore(count).await)]
    {
        report.quantile(what, &times, 0.5, "at most 10");
        report.quantile(what, &times, 0.99, "at most 50");
    }
}

/// What ten thousand namespaces, and many Secrets that are none of its business, cost.
async fn memory(bed: &Bed, report: &mut Report, namespaces: usize, unrelated: usize) {
    let mut measure = async |what: String, demand: &str| {
        let mut pullmint: Pullmint = bed.run(&["run"]);
        pullmint.until_settled().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        report.put("memory", &what, pullmint.resident_mib(), "MiB", demand);
    };
    measure(format!("{namespaces} namespaces"), "").await;
    bed.unrelated_secrets(unrelated, UNRELATED_SIZE).await;
    measure(format!("{namespaces} namespaces, {unrelated} unrelated Secrets"), "at most 28").await;
}
