//! What it costs to tell why a thousand pods do not pull.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;
use world::{Stage, crowd};

use crate::bed::PROGRAM;
use crate::report::Report;

/// Time, questions and memory of `pullmint why` in a namespace of failing pods.
pub(crate) async fn measure(report: &mut Report, pods: usize, rounds: usize) {
    let stage = Stage::start(false).await.expect("a stage");
    let images = crowd::failing_pods(&stage, pods).await.expect("pods").len();
    let subject = format!("why: {pods} failing pods, {images} images of 5 registries");
    for _ in 0..rounds {
        let mut command = Command::new(PROGRAM);
        command.args(["why", "-n", crowd::NAMESPACE, "--output", "json", "--ca-file"]).arg(stage.internet.ca_file());
        command.envs(stage.env()).stdout(Stdio::piped()).kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().expect("a start");
        let peak = tokio::spawn(peak_mib(child.id().expect("a process")));
        let output = child.wait_with_output().await.expect("an end");
        let took = started.elapsed();
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report.put(&subject, "time", took.as_secs_f64(), "s", "under 5");
        report.put(&subject, "questions", said["asked"].as_f64().expect("a number"), "", "");
        report.put(&subject, "peak memory", peak.await.expect("no panic"), "MiB", "under 60");
    }
}

/// The most memory that a process has had, once it has ended.
async fn peak_mib(process: u32) -> f64 {
    let mut peak = 0.0;
    while let Some(now) = peak_so_far(process) {
        peak = now;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    peak
}

fn peak_so_far(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
