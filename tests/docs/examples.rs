//! The examples in the pages are what they claim to be.

use pullmint::config;
use serde_json::Value;

use crate::pages::{self, Block};

fn blocks(language: &str) -> Vec<(String, Block)> {
    let of = |page: pages::Page| {
        let blocks = page.blocks().into_iter().filter(|block| block.language == language);
        blocks.map(|block| (format!("{}:{}", page.path, block.line), block)).collect::<Vec<_>>()
    };
    pages::all().into_iter().flat_map(of).collect()
}

#[test]
fn every_configuration_in_the_pages_is_valid() {
    let mut files: Vec<_> = blocks("toml").into_iter().map(|(place, block)| (place, block.text)).collect();
    for (place, block) in blocks("console") {
        let heredocs = block.commands().into_iter().filter(|command| command.contains(".toml <<EOF"));
        files.extend(heredocs.filter_map(|command| {
            let (_, text) = command.split_once("<<EOF\n")?;
            Some((place.clone(), text.trim_end_matches("EOF").to_owned()))
        }));
    }
    assert!(files.len() > 10, "found {} only", files.len());
    for (place, text) in files {
        let registry = "provider = \"ecr-public\"\n".to_owned();
        let files = match text.contains("provider = ") {
            true => vec![("page/registry.toml".into(), text)],
            // What holds for all registries.
            false => vec![("page/pullmint.toml".into(), text), ("page/registry.toml".into(), registry)],
        };
        let loaded = config::load_from(files);
        assert!(loaded.is_ok(), "{place}: {}", loaded.expect_err("a report"));
    }
}

#[test]
fn every_json_document_in_the_pages_is_json() {
    for (place, block) in blocks("json") {
        let parsed: Result<Value, _> = serde_json::from_str(&block.text);
        assert!(parsed.is_ok(), "{place}: {}", parsed.expect_err("an error"));
    }
}

#[test]
fn every_value_in_the_pages_is_one_of_the_charts() {
    let chart = std::fs::read_to_string(pages::root().join("deploy/helm/pullmint/values.yaml")).expect("the chart");
    let chart: Value = serde_saphyr::from_str(&chart).expect("YAML");
    for (place, block) in blocks("yaml").into_iter().filter(|(_, block)| block.text.starts_with("# values.yaml")) {
        let values: Value = serde_saphyr::from_str(&block.text).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_known(&place, &values, &chart);
    }
}

#[test]
fn the_schema_explains_a_key_wherever_it_may_stand_and_guesses_what_was_meant() {
    let explained = config::explain("secret").expect("a key");
    assert!(explained.contains("pullmint.toml: secret") && explained.contains("Every registry: secret"), "{explained}");
    let bounded = config::explain("renew_at").expect("a key");
    assert!(bounded.contains("Number · 0.1 to 0.9 · default `0.5`."), "{bounded}");
    let chosen = config::explain("source").expect("a key");
    assert!(chosen.contains("`oidc`") && chosen.contains("Needs `organization`, `connection_id`"), "{chosen}");
    for (short, long) in [("include", "namespaces.include"), ("listen", "admin.listen"), ("recover", "pulls.recover")] {
        assert_eq!(config::explain(short), config::explain(long), "a key of a table needs no table's name");
    }
    let table = config::explain("pulls").expect("a table");
    assert!(table.contains("pulls.explain") && table.contains("pulls.recover"), "{table}");
    let provider = config::explain("provider").expect("a key");
    assert!(provider.contains("required") && provider.contains("- `ecr-public`: "), "{provider}");
    assert_eq!(config::explain("renw_at"), Err(Some("renew_at".to_owned())));
    assert_eq!(config::explain("certainly_nothing"), Err(None));
}

/// An empty table of the chart takes any key.
fn assert_known(place: &str, values: &Value, chart: &Value) {
    let (Some(values), Some(known)) = (values.as_object(), chart.as_object()) else { return };
    for (key, value) in values.iter().filter(|_| !known.is_empty()) {
        assert!(known.contains_key(key), "{place}: the chart has no value {key}");
        assert_known(place, value, &known[key]);
    }
}
