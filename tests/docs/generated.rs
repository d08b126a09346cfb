//! What the pages tell from the code is what the code says.

use std::fs;
use std::sync::Mutex;

use crate::pages;

/// Two tests may write one page.
static WRITING: Mutex<()> = Mutex::new(());

/// Holds a file, or the part of it after a marker up to the next blank line, equal to what the code says.
fn hold(path: &str, marker: Option<&str>, generated: &str) {
    let _writing = WRITING.lock();
    let file = pages::root().join(path);
    let present = fs::read_to_string(&file).unwrap_or_default();
    let wanted = match marker {
        None => generated.to_owned(),
        Some(marker) => {
            let marker = format!("<!-- {marker} -->\n\n");
            let (before, rest) = present.split_once(&marker).unwrap_or_else(|| panic!("{path} has no {marker}"));
            let after = rest.split_once("\n\n").map(|(_, after)| after).unwrap_or_default();
            format!("{before}{marker}{}\n\n{after}", generated.trim_end())
        }
    };
    if std::env::var_os("PULLMINT_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&file, &wanted).expect("a written file");
    }
    let present = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        present == wanted,
        "{path} does not say what the code says; write it anew: PULLMINT_WRITE_DOCS=1 cargo test --test docs"
    );
}

#[test]
fn the_reference_is_that_of_the_schema() {
    hold("docs/configuration.md", None, &pullmint::config::reference());
}

#[test]
fn the_ownership_table_is_that_of_the_manual() {
    let manual = fs::read_to_string(pages::root().join("src/lib.rs")).expect("the manual");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("//! ")).filter(|line| line.starts_with('|'));
    let table: Vec<_> = rows.map(without_links).collect();
    assert!(table.len() > 4, "{table:?}");
    hold("docs/architecture.md", Some("the table of src/lib.rs"), &table.join("\n"));
}

#[test]
fn the_layers_are_those_that_a_test_holds() {
    let test = fs::read_to_string(pages::root().join("tests/layers.rs")).expect("the test");
    let (_, list) = test.split_once("const LAYERS").and_then(|(_, rest)| rest.split_once("= [")).expect("a list");
    let (list, _) = list.split_once("];").expect("its end");
    let layers: Vec<_> = list.split('"').skip(1).step_by(2).map(|layer| format!("`{layer}`")).collect();
    hold("docs/architecture.md", Some("the layers of tests/layers.rs"), &wrapped(&layers.join(" → ")));
}

/// ``[`Slot`](keeper::slot::Slot)`` becomes `` `Slot` ``: the links of rustdoc lead nowhere else.
fn without_links(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let (name, after) = after.split_once(']').expect("the end of a link");
        let after = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, after)| after);
        text.push_str(before);
        text.push_str(name);
        rest = after;
    }
    text + rest
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        if line.len() + word.len() > 110 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
