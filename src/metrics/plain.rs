//! The same text for those who do not know OpenMetrics: the older format of Prometheus, version 0.0.4.

/// Declares counters and infos under the names of their samples, and leaves out what only OpenMetrics has.
pub(super) fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
        } else if let Some(declared) = line.strip_prefix("# TYPE ") {
            declare(&mut text, help.take(), declared);
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The HELP line comes before the TYPE line, which decides about the name in both.
fn declare(text: &mut String, help: Option<&str>, declared: &str) {
    let (name, kind) = declared.split_once(' ').unwrap_or((declared, "untyped"));
    let (suffix, kind) = match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        other => ("", other),
    };
    if let Some((_, words)) = help.and_then(|line| line.split_once(&format!("{name} "))) {
        text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
    }
    text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
}
