//! All series exist before anything has happened, so that a first failure is an increase.

use pullmint::metrics::catalogue::{CATALOGUE, Family, Kind, Label, Values};
use world::clouds::{Fault, Service};

use crate::scene::{ACR, ECR, HUB_MINTED, Scene};

/// Each is called as its provider.
const REGISTRIES: [(&str, &str); 3] = [("acr", ACR), ("docker-hub", HUB_MINTED), ("ecr", ECR)];

/// The values that a label has here, after those of the labels before it.
fn values(label: &Label, before: &[&'static str]) -> Vec<&'static str> {
    match label.values {
        Values::OneOf(_) if label.name == "provider" => before.to_vec(),
        Values::OneOf(values) => values.to_vec(),
        Values::Each("registry") => REGISTRIES.map(|(name, _)| name).to_vec(),
        Values::Each("Secret name") => vec!["pullmint-acr", "pullmint-docker-hub", "pullmint-ecr"],
        Values::Each("ServiceAccount name") => vec!["default"],
        Values::Each("loop") => vec!["configuration", "daemon", "elector", "syncer"],
        Values::Each("watch") => vec!["namespaces", "secrets pullmint-ecr", "serviceaccounts default"],
        Values::Each("version that runs") => vec![env!("CARGO_PKG_VERSION")],
        Values::Each(what) => panic!("nobody says which {what} there is here"),
    }
}

/// The series that a family has here, as the text format writes them: one for each choice of values.
fn series(family: &Family) -> Vec<String> {
    let mut choices = vec![Vec::new()];
    for label in family.labels {
        let with =
            |chosen: Vec<_>| values(label, &chosen).into_iter().map(move |value| [&chosen[..], &[value]].concat());
        choices = choices.into_iter().flat_map(with).collect();
    }
    let name = if family.kind == Kind::Histogram { format!("{}_count", family.name) } else { family.name.to_owned() };
    let written = |chosen: Vec<&str>| {
        let pairs = family.labels.iter().zip(chosen).map(|(label, value)| format!("{}=\"{value}\"", label.name));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        if pairs.is_empty() { name.clone() } else { format!("{name}{{{pairs}}}") }
    };
    choices.into_iter().map(written).collect()
}

/// Docker Hub alone limits pulls.
fn is_possible(series: &str) -> bool {
    !series.starts_with("pullmint_registry_rate_limit") || series.contains("docker-hub")
}

#[tokio::test]
async fn every_series_is_there_in_the_first_scrape_without_a_namespace_or_an_answer_from_any_cloud() {
    let scene = Scene::start("series", 0).await;
    for (name, toml) in REGISTRIES {
        scene.configure(&format!("{name}.toml"), &format!("{toml}service_accounts = [\"default\"]\n"));
    }
    for service in [Service::Ecr, Service::Entra, Service::HubLogin] {
        scene.around.clouds.fail(service, Fault::Hang);
    }
    let _pullmint = scene.run();
    let first = scene.ask("pullmint", "/metrics").await;
    let families = CATALOGUE.iter().flat_map(|group| group.families);
    let wanted = families.flat_map(|family| series(family)).filter(|series| is_possible(series));
    let is_there = |series: &str| first.lines().any(|line| line.starts_with(&format!("{series} ")));
    let missing: Vec<_> = wanted.filter(|series| !is_there(series)).collect();
    assert!(missing.is_empty(), "{missing:#?} are not in\n{first}");
    let copies = |line: &&str| line.starts_with("pullmint_secrets{");
    assert!(first.lines().filter(copies).all(|line| line.ends_with("} 0.0")), "{first}");
}
