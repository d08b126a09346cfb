//! The Grafana dashboard.

use std::collections::BTreeSet;

use pullmint::metrics::catalogue::{CATALOGUE, Values};
use serde_json::Value;

const DASHBOARD: &str = "deploy/monitoring/dashboard.json";

/// A query with what Grafana fills in, and the panel that asks it.
pub(crate) struct Query {
    pub(crate) panel: String,
    pub(crate) text: String,
}

impl Query {
    /// The query as Grafana asks it for the pullmint in this namespace.
    pub(crate) fn filled_in(&self, namespace: &str) -> String {
        let text = self.text.replace("$__rate_interval", "10s").replace("$namespace", namespace);
        assert!(!text.contains('$'), "{} uses a variable that nobody fills in: {text}", self.panel);
        text
    }
}

/// All queries: those of the panels, and those that the variables' choices come from.
pub(crate) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let of_panels = panels(&dashboard).into_iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| Query { panel: name(&panel["title"]), text: name(&target["expr"]) })
    });
    let of_variables = variables(&dashboard).filter_map(|variable| {
        let choices = variable["definition"].as_str()?.strip_prefix("label_values(")?.strip_suffix(")")?;
        let (series, label) = choices.rsplit_once(',')?;
        let text = format!("count by ({}) ({series})", label.trim());
        Some(Query { panel: format!("variable {}", variable["name"]), text })
    });
    of_panels.chain(of_variables).collect()
}

#[test]
fn each_panel_tells_what_it_shows_in_which_unit() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title} has the id of another panel");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title} asks one fixed Prometheus");
    }
}

/// A palette goes by order, and might paint green what fails.
#[test]
fn each_outcome_and_each_state_has_a_colour_by_its_name() {
    let dashboard = dashboard();
    for (title, metric) in [
        ("Attempts to renew", "pullmint_mint_attempts_total"),
        ("Answers of registries", "pullmint_verifications_total"),
        ("Copies by state", "pullmint_secrets"),
    ] {
        let panel = panels(&dashboard).into_iter().find(|panel| panel["title"] == title).expect("the panel");
        let overrides = panel["fieldConfig"]["overrides"].as_array().expect("overrides").iter();
        let matchers = overrides.filter_map(|one| one["matcher"]["options"].as_str());
        let named = matchers.flat_map(|names| names.split(|letter: char| letter != '_' && !letter.is_alphanumeric()));
        let coloured: Vec<_> = named.filter(|name| !name.is_empty()).collect();
        let known = closed_values(metric);
        assert_eq!(coloured.len(), known.len(), "{title} colours {coloured:?}");
        assert_eq!(BTreeSet::from_iter(coloured), known, "{title}");
    }
}

/// A palette's fifth colour is red, which is for trouble, and of these there are more. Registries, Secrets and pods are few
/// in most clusters, and are told apart by their colours.
#[test]
fn no_palette_paints_red_what_is_well() {
    let dashboard = dashboard();
    let of_many = |panel: &Value| {
        ["{{loop}}", "{{watch}}", "{{verdict}}"].contains(&&*name(&panel["targets"][0]["legendFormat"]))
    };
    let panels: Vec<_> = panels(&dashboard).into_iter().filter(of_many).collect();
    assert_eq!(panels.len(), 3);
    for panel in panels {
        let colour = &panel["fieldConfig"]["defaults"]["color"];
        assert!(colour["mode"] == "shades" && colour["fixedColor"] != "red", "{}: {colour}", panel["title"]);
    }
}

#[test]
fn the_dashboard_belongs_to_no_installation() {
    let dashboard = dashboard();
    assert!(dashboard.get("id").is_none() && dashboard.get("version").is_none());
    let names: Vec<_> = variables(&dashboard).map(|variable| name(&variable["name"])).collect();
    assert_eq!(names, ["datasource", "namespace"]);
}

#[test]
fn the_panels_do_not_overlap() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{} is too far right", panel["title"]);
        for cell in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies over another panel", panel["title"]);
        }
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(DASHBOARD).expect("the dashboard")).expect("JSON")
}

/// The values of a metric's label that has no others.
fn closed_values(metric: &str) -> BTreeSet<&'static str> {
    let family = CATALOGUE.iter().flat_map(|group| group.families).find(|family| family.name == metric);
    let labels = family.expect("a metric").labels.iter().filter(|label| label.name != "provider");
    let closed = labels.filter_map(|label| if let Values::OneOf(values) = label.values { Some(values) } else { None });
    closed.flatten().copied().collect()
}

/// Those that show something; rows only divide.
fn panels(dashboard: &Value) -> Vec<Value> {
    let all = dashboard["panels"].as_array().expect("panels").iter();
    all.filter(|panel| panel["type"] != "row").cloned().collect()
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["templating"]["list"].as_array().expect("variables").iter()
}

fn name(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
