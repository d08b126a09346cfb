//! The alerts, their tests, and a page for each.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::promtool::promtool;

const RULES: &str = "deploy/monitoring/alerts.yaml";
const CASES: &str = "deploy/monitoring/alerts.test.yaml";
const PAGES: &str = "docs/runbooks";

/// One alert.
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) query: String,
    severity: String,
    annotations: Value,
}

/// All of them.
pub(crate) fn alerts() -> Vec<Alert> {
    let rules = yaml(RULES);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rules = rules["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array());
    rules
        .flatten()
        .map(|rule| Alert {
            name: text(&rule["alert"]),
            query: text(&rule["expr"]),
            severity: text(&rule["labels"]["severity"]),
            annotations: rule["annotations"].clone(),
        })
        .collect()
}

#[test]
fn promtool_finds_no_fault_with_the_alerts() {
    if let Some(verdict) = promtool(&["check", "rules", "--lint-fatal", RULES], "") {
        verdict.unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn each_alert_fires_when_it_must_and_is_silent_when_it_must_not() {
    if let Some(verdict) = promtool(&["test", "rules", CASES], "") {
        verdict.unwrap_or_else(|faults| panic!("{faults}"));
    }
    let cases = yaml(CASES);
    let tests = cases["tests"].as_array().expect("tests").iter().flat_map(|test| test["alert_rule_test"].as_array());
    let (silent, loud): (Vec<_>, Vec<_>) =
        tests.flatten().partition(|case| case["exp_alerts"].as_array().is_none_or(Vec::is_empty));
    let names = |cases: &[&Value]| cases.iter().map(|case| case["alertname"].to_string()).collect::<BTreeSet<_>>();
    let all: BTreeSet<_> = alerts().into_iter().map(|alert| format!("\"{}\"", alert.name)).collect();
    assert_eq!(names(&loud), all, "alerts with a case in which they fire");
    assert_eq!(names(&silent), all, "alerts with a case in which they are silent");
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let pages = std::fs::read_dir(PAGES).expect("the pages").map(|entry| entry.expect("a page").path());
    let pages: BTreeSet<_> =
        pages.map(|page| page.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    let names: BTreeSet<_> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(pages, names);
    for name in names {
        let page = std::fs::read_to_string(format!("{PAGES}/{name}.md")).expect("a page");
        assert!(page.starts_with(&format!("# {name}\n")), "the page of {name} is about another one");
        for section in ["## What it means", "## Impact", "## See it", "## Causes and cures", "## Prevention"] {
            assert!(page.contains(&format!("\n{section}\n")), "the page of {name} has no section {section:?}");
        }
    }
}

#[test]
fn each_alert_says_how_bad_it_is_and_where_to_read_on() {
    for Alert { name, severity, annotations, .. } in alerts() {
        assert!(["critical", "warning"].contains(&severity.as_str()), "{name}: {severity}");
        assert_eq!(annotations["runbook_url"], format!("https://pullmint.dev/runbooks/{name}"));
        for part in ["summary", "description"] {
            assert!(annotations[part].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {part}");
        }
    }
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).expect("a file")).expect("YAML")
}
