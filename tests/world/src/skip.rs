//! Tests that cannot run on this machine say so, and `make test` counts them.

use std::{fs::OpenOptions, io::Write};

/// Notes that the running test was skipped and why: on stderr, and in the file named by `WORLD_SKIPS`.
///
/// The test then returns as passed: Rust's test runner has no third outcome.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("skipped {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Written to stderr itself, since the test runner swallows what a passing test prints.
    std::io::stderr().write_all(line.as_bytes()).ok();
    if let Some(path) = std::env::var_os("WORLD_SKIPS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).ok();
    }
}
