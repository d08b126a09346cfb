//! What the pages tell people to type.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use clap::Parser;
use pullmint::cli::Cli;
use serde_json::Value;
use world::process::find_program;

use crate::given::{self, NOON};

/// The lines that are to be typed, each with its page.
fn commands() -> Vec<(String, String)> {
    let pages = std::fs::read_dir("docs/runbooks").expect("the pages").map(|entry| entry.expect("a page").path());
    let typed = |page: std::path::PathBuf| {
        let text = std::fs::read_to_string(&page).expect("a page");
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
        let inline = text.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|"));
        let page = page.display().to_string();
        lines.into_iter().chain(inline).map(|line| (page.clone(), line)).collect::<Vec<_>>()
    };
    pages.flat_map(typed).collect()
}

#[test]
fn every_pullmint_command_exists() {
    let mut found = 0;
    for (page, line) in commands() {
        let ours = line.split(" -- ").last().unwrap_or_default().split(" | ").next().unwrap_or_default();
        if ours.starts_with("pullmint ") {
            let parsed = Cli::try_parse_from(ours.split_whitespace());
            assert!(parsed.is_ok(), "{page}: {ours}: {}", parsed.expect_err("an error"));
            found += 1;
        }
    }
    assert!(found > 5, "only {found} commands were found");
}

#[test]
fn every_look_at_the_status_finds_what_it_is_for() {
    let Some(jq) = find_program("jq") else { return world::skip("jq is not installed") };
    let status = serde_json::to_vec(&given::troubled(NOON)).expect("JSON");
    let mut found = 0;
    for (page, line) in commands() {
        let Some(filter) = line.split_once("| jq '").and_then(|(_, rest)| rest.strip_suffix('\'')) else { continue };
        let piped = Command::new(&jq).arg(filter).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = piped.expect("jq starts");
        child.stdin.take().expect("a pipe").write_all(&status).expect("taken");
        let output = child.wait_with_output().expect("jq ends");
        assert!(output.status.success(), "{page}: jq '{filter}' is wrong");
        assert_eq!(empty_fields(&output.stdout), Some(BTreeSet::new()), "{page}: jq '{filter}' finds nothing of these");
        found += 1;
    }
    assert!(found > 5, "only {found} filters were found");
}

/// The fields that have no value in any of these objects. `None` if there are no objects.
fn empty_fields(output: &[u8]) -> Option<BTreeSet<String>> {
    let found = serde_json::Deserializer::from_slice(output).into_iter::<Value>().map(|one| one.expect("JSON"));
    let found: Vec<_> = found.flat_map(|one| one.as_array().cloned().unwrap_or_else(|| vec![one])).collect();
    let fields: BTreeSet<_> = found.iter().filter_map(Value::as_object).flat_map(|one| one.keys()).cloned().collect();
    let empty = |field: &String| found.iter().all(|one| one[field].is_null());
    (!fields.is_empty()).then(|| fields.into_iter().filter(empty).collect())
}
