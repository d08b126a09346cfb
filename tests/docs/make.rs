//! What the pages do with `make`: run in small, or held to what a test does without it.

use std::collections::BTreeSet;
use std::process::Command;

use crate::pages;

/// What `make` would do for these arguments, line by line.
fn recipe(target: &str) -> Vec<String> {
    let mut make = Command::new("make");
    make.args(["--dry-run", "--no-print-directory", target]).current_dir(pages::root()).env_remove("MAKEFLAGS");
    let output = make.output().expect("make");
    assert!(output.status.success(), "make {target}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(pages::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_target_that_the_pages_name_can_be_made() {
    let pages = pages::all();
    let named = pages.iter().flat_map(|page| page.text.split("`make ").skip(1));
    let run = pages.iter().flat_map(|page| page.text.split("$ make ").skip(1));
    let target = |rest: &str| rest.split(|c: char| c.is_whitespace() || c == '`').next().unwrap_or_default().to_owned();
    let targets: BTreeSet<_> = named.chain(run).map(target).collect();
    assert!(targets.contains("demo") && targets.contains("bench"), "{targets:?}");
    for target in targets {
        recipe(&target);
    }
}

#[test]
fn make_test_is_what_must_pass_before_anything_lands() {
    assert!(read(".ci/run").lines().any(|line| line == "make lint test"));
    let recipe = recipe("test");
    assert!(recipe.iter().any(|line| line.contains("test --locked --workspace --no-fail-fast")), "{recipe:?}");
}

#[test]
fn make_demo_ends_in_the_demo_that_its_own_test_runs() {
    let recipe = recipe("demo");
    assert!(recipe.last().is_some_and(|line| line.ends_with("debug/world demo")), "{recipe:?}");
    assert!(read("tests/world/src/main.rs").contains("demo::run(&DemoOptions::new(program)?"));
    assert!(read("tests/end_to_end/demo.rs").contains("demo::run(&options"));
}

#[test]
fn make_bench_measures_everything_even_if_there_is_little_of_it() {
    let mut make = Command::new("make");
    make.args(["bench", "BENCH_FLAGS=--workspace --profile dev"]).current_dir(pages::root());
    make.envs([("BENCH_PERCENT", "2"), ("BENCH_ROUNDS", "1")]).env_remove("MAKEFLAGS").env_remove("CARGO");
    let output = make.output().expect("make");
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for figure in [
        "| 20 namespaces, first written | ratio |",
        "| 200 namespaces, rotated | ratio |",
        "| mints | for 20 namespaces | 1.00 ",
        "| rest | Secrets changed | 0.00 ",
        "| second run | Secrets changed | 0.00 ",
        "| start | process start to first Secret |",
        "| new namespace to Secret | p99 |",
        "| deleted Secret to its like | p50 |",
        "| memory | 200 namespaces, 400 unrelated Secrets |",
        "| why: 20 failing pods, 50 images of 5 registries | time |",
        "| binary | size |",
    ] {
        assert!(table.contains(figure), "{figure}\n{table}");
    }
}
