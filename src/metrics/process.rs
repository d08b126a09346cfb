//! What the kernel knows of this process, under the names that every dashboard knows.
//!
//! What cannot be read is left out.

use jiff::Timestamp;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::catalogue;
use crate::metrics::present::{seconds, single};

pub(super) fn register(registry: &mut Registry, started_at: Timestamp) {
    single(registry, &catalogue::PROCESS_START, seconds(started_at));
    if let Some(bytes) = resident_memory() {
        single(registry, &catalogue::PROCESS_MEMORY, bytes);
    }
    catalogue::PROCESS_CPU.register(registry, ConstCounter::new(cpu_seconds()));
    if let Some(open) = open_fds() {
        single(registry, &catalogue::PROCESS_FDS, open);
    }
}

fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

fn open_fds() -> Option<f64> {
    // One of them is the directory itself.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}
