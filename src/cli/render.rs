//! `pullmint render`: the Secrets, on paper.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::cli::{ConfigArgs, Outcome, complain, explain, print, yaml};
use crate::clock::{Clock, SystemClock};
use crate::config::settings::Registry;
use crate::credential::{Credential, Expiry};
use crate::dockerconfig;
use crate::provider::{self, Outside};
use crate::sync::decide::Entry;
use crate::sync::manifest::Rendered;

/// What `render` takes.
#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Mint credentials and show them; without this nothing is minted, and placeholders are shown
    #[arg(long)]
    reveal: bool,
    /// Only the entries of this registry; may be given several times
    #[arg(long, value_name = "NAME")]
    registry: Vec<String>,
}

/// What stands in for a password.
const REDACTED: &str = "REDACTED";

pub(super) async fn render(args: &RenderArgs) -> Outcome {
    let settings = match args.config.load() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    if let Some(unknown) =
        args.registry.iter().find(|name| !settings.registries.iter().any(|r| r.name.as_str() == **name))
    {
        complain(&format!("--registry {unknown}: there is no such registry in {}", args.config.config.display()));
        return Outcome::Unusable;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let outside = match Outside::new(settings.ca_file.as_deref(), Arc::clone(&clock)) {
        Ok(outside) => outside,
        Err(error) => {
            complain(&explain(&error));
            return Outcome::Failed;
        }
    };
    let chosen = |registry: &&Registry| {
        args.registry.is_empty() || args.registry.iter().any(|name| *name == registry.name.as_str())
    };
    let registries: Vec<_> = settings.registries.iter().filter(chosen).collect();
    let secrets: BTreeSet<_> = registries.iter().map(|registry| registry.secret.as_str()).collect();
    let mut entries = Vec::new();
    let mut failed = false;
    for registry in registries {
        let provider = provider::build(registry, &outside);
        let credential = if args.reveal { provider.mint().await } else { Ok(placeholder()) };
        match credential {
            Ok(credential) => entries.push((registry, provider.hosts().to_vec(), credential)),
            Err(error) => {
                failed = true;
                complain(&format!("{}: {}\n  remedy: {}", registry.name, explain(&error), error.remedy));
            }
        }
    }
    let now = clock.now();
    let mut text = String::new();
    for secret in secrets {
        let members: Vec<_> = entries.iter().filter(|(registry, ..)| registry.secret == secret).collect();
        let logins = members.iter().flat_map(|(_, hosts, credential)| hosts.iter().map(move |host| (host, credential)));
        let rendered = dockerconfig::render(logins);
        let object = if args.reveal {
            let entries = members.iter().map(|(registry, _, credential)| {
                (registry.name.clone(), Entry { minted_at: now, expiry: credential.expiry })
            });
            Rendered::new(entries.collect(), &rendered).by_itself(secret)
        } else {
            redacted(secret, rendered.expose_secret())
        };
        text.push_str(&yaml::document(&object));
    }
    match (print(&text), failed, entries.is_empty()) {
        (Outcome::Done, false, _) => Outcome::Done,
        (Outcome::Done, true, false) => Outcome::Partial,
        _ => Outcome::Failed,
    }
}

fn placeholder() -> Credential {
    Credential { username: REDACTED.to_owned(), password: REDACTED.into(), expiry: Expiry::Never, handle: None }
}

/// With `stringData`, so that a person can read it.
fn redacted(name: &str, dockerconfigjson: &str) -> Value {
    let mut config: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(dockerconfigjson).unwrap_or_default();
    for entry in config.values_mut().flat_map(BTreeMap::values_mut) {
        *entry = json!({ "username": REDACTED, "password": REDACTED, "auth": REDACTED });
    }
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": format!("{:#}", json!(config)) },
    })
}
