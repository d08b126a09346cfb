//! The table and the JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

/// All figures, by subject and name, each with everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Default)]
struct Row {
    values: Vec<f64>,
    unit: &'static str,
    demand: String,
}

impl Row {
    /// Least, median and most.
    fn spread(&self) -> [f64; 3] {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        [values[0], values[values.len() / 2], values[values.len() - 1]]
    }
}

impl Report {
    /// One measurement.
    pub(crate) fn put(&mut self, subject: &str, name: &str, value: f64, unit: &'static str, demand: &str) {
        let row = self.rows.entry((subject.to_owned(), name.to_owned())).or_default();
        row.values.push(value);
        row.unit = unit;
        row.demand = demand.to_owned();
        eprintln!("bench: {subject}: {name}: {value:.3} {unit}");
    }

    /// pullmint and the bare loop, one after the other.
    pub(crate) fn pair(&mut self, subject: &str, pullmint: Duration, bare: Duration, demand: &str) {
        self.put(subject, "bare loop", bare.as_secs_f64(), "s", "");
        self.put(subject, "pullmint", pullmint.as_secs_f64(), "s", "");
        self.put(subject, "ratio", pullmint.as_secs_f64() / bare.as_secs_f64(), "", demand);
    }

    /// A quantile of many times.
    pub(crate) fn quantile(&mut self, subject: &str, times: &[Duration], quantile: f64, demand: &str) {
        let mut times: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let place = ((times.len() - 1) as f64 * quantile).round() as usize;
        self.put(subject, &format!("p{:.0}", quantile * 100.0), times[place], "ms", demand);
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!("{}\n", machine());
        println!("| what | | median | min | max | demanded |");
        println!("|---|---|---:|---:|---:|---|");
        for ((subject, name), row) in &self.rows {
            let [min, median, max] = row.spread();
            let Row { unit, demand, .. } = row;
            println!("| {subject} | {name} | {median:.2} {unit} | {min:.2} | {max:.2} | {demand} |");
        }
    }

    /// Writes the JSON.
    pub(crate) fn write(&self) {
        let figure = |((subject, name), row): (&(String, String), &Row)| {
            let [_, median, _] = row.spread();
            json!({
                "subject": subject, "name": name, "median": median,
                "values": row.values, "unit": row.unit, "demand": row.demand,
            })
        };
        let figures: Vec<_> = self.rows.iter().map(figure).collect();
        let report = json!({ "machine": machine(), "figures": figures });
        std::fs::create_dir_all("target").expect("target/");
        std::fs::write("target/bench.json", format!("{report:#}\n")).expect("target/bench.json");
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown")
        .trim_matches([' ', '\t', ':']);
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores ({model}), {:.0} GiB; API server and etcd on the same machine",
        kib.unwrap_or(0.0) / 1048576.0
    )
}
