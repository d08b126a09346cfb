//! The chart's documents are made from its values and from pullmint's own schema: `BLESS=1` writes them anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::tools::CHART;

/// Holds a file equal to what it is made from.
fn hold(path: &Path, wanted: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, wanted).expect("a written file");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is out of date: run `BLESS=1 cargo test --test packaging`", path.display());
}

/// pullmint's own JSON Schema.
fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_pullmint")).arg("schema").output().expect("a start");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// One of several forms, told apart by the provider. As `oneOf` a wrong key would be reported once for each form.
fn by_provider(registry: &Value) -> Value {
    let forms = registry["oneOf"].as_array().expect("forms");
    let provider = |form: &Value| form["properties"]["provider"]["const"].clone();
    let providers: Vec<_> = forms.iter().map(provider).collect();
    let cases = forms.iter().map(|form| {
        let is = json!({"properties": {"provider": {"const": provider(form)}}, "required": ["provider"]});
        json!({"if": is, "then": form})
    });
    json!({
        "type": "object",
        "required": ["provider"],
        "properties": {"provider": {"enum": providers}},
        "allOf": cases.collect::<Vec<_>>(),
    })
}

#[test]
fn the_values_schema_knows_every_key_of_the_configuration() {
    let path = Path::new(CHART).join("values.schema.json");
    let mut values: Value = serde_json::from_slice(&fs::read(&path).expect("a schema")).expect("JSON");
    let pullmint = schema();
    values["definitions"]["registry"] = by_provider(&pullmint["definitions"]["registry"]);
    values["definitions"]["settings"] = pullmint["definitions"]["pullmint"].clone();
    hold(&path, &format!("{values:#}\n"));
}

#[test]
fn the_chart_brings_the_alerts_and_the_dashboard_of_the_repository() {
    for name in ["alerts.yaml", "dashboard.json"] {
        let wanted = fs::read_to_string(Path::new("deploy/monitoring").join(name)).expect("a file");
        hold(&Path::new(CHART).join("files").join(name), &wanted);
    }
}

/// A value: its key from the top, its default, and the comment above it.
struct Entry {
    key: String,
    default: String,
    comment: String,
}

/// The values of the file, one by one. A key without a value is a section of those that are indented below it.
fn entries(yaml: &str) -> Vec<Entry> {
    let (mut entries, mut comment, mut section) = (Vec::new(), Vec::new(), None);
    for line in yaml.lines() {
        if let Some(text) = line.trim_start().strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        if let Some((key, value)) = line.split_once(':') {
            let inner = key.trim_start();
            if value.is_empty() {
                section = Some(key);
            } else {
                let key =
                    if inner == key { key.to_owned() } else { format!("{}.{inner}", section.expect("a section")) };
                assert!(!comment.is_empty(), "{key} has no comment");
                entries.push(Entry { key, default: value.trim().to_owned(), comment: comment.join(" ") });
            }
        }
        comment.clear();
    }
    entries
}

#[test]
fn the_readme_lists_every_value_with_its_default_and_meaning() {
    let path = Path::new(CHART).join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let values = fs::read_to_string(Path::new(CHART).join("values.yaml")).expect("values");
    let (before, _) = readme.split_once("## Values\n").expect("a place for the values");
    let row = |Entry { key, default, comment }| format!("| `{key}` | `{default}` | {comment} |\n");
    let rows: String = entries(&values).into_iter().map(row).collect();
    hold(&path, &format!("{before}## Values\n\n| Value | Default | Meaning |\n|---|---|---|\n{rows}"));
}
