//! Prometheus' own opinion.

use std::io::Write;
use std::process::{Command, Stdio};

use world::process::find_program;

/// What `promtool ARGS` says to `input`: `Err` with its words if it finds fault. `None` where there is no promtool.
pub(crate) fn promtool(args: &[&str], input: &str) -> Option<Result<(), String>> {
    let Some(program) = find_program("promtool") else {
        world::skip("promtool is not installed");
        return None;
    };
    let mut command = Command::new(program);
    let piped = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("promtool starts");
    // It reads to the end before it says anything; one that does not read has an opinion already.
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().expect("promtool ends");
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(if output.status.success() { Ok(()) } else { Err(words) })
}
