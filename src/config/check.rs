//! What the keys of a file mean together.

mod acr;
mod admin;
mod aws;
mod docker_hub;
mod pulls;

pub(super) use admin::admin;
pub(super) use pulls::pulls;
use std::path::{Path, PathBuf};

use super::document::{Document, Span};
use super::file::{Common, Global, Registry as File};
use super::report::Flaw;
use super::settings::{NamespaceSelection, ProviderSettings, Registry, Renewal, STATE_SECRET};
use super::text;
use crate::registry::{Host, RegistryName};

/// The file's registries: one, or one per ACR login server. None if something is missing, which is reported.
pub(super) fn registries(
    document: &mut Document<'_>,
    file: &File,
    global: &Global,
    stem: &str,
    dir: &Path,
) -> Option<Vec<Registry>> {
    let providers = match file {
        File::Acr(acr) => acr::registries(document, acr, dir)?
            .into_iter()
            .map(|acr| (RegistryName::new(acr_name(stem, &acr.login_server, file)), ProviderSettings::Acr(acr)))
            .collect(),
        File::DockerHub(hub) => one(stem, ProviderSettings::DockerHub(docker_hub::registry(document, hub, dir)?)),
        File::Ecr(ecr) => one(stem, ProviderSettings::Ecr(aws::ecr(document, ecr)?)),
        File::EcrPublic(public) => one(stem, ProviderSettings::EcrPublic(aws::ecr_public(document, public)?)),
    };
    let secret = secret(document, file.common(), global, stem);
    let common = |(name, provider)| common(name, provider, file.common(), global, &secret);
    Some(providers.into_iter().map(common).collect())
}

fn one(stem: &str, provider: ProviderSettings) -> Vec<(RegistryName, ProviderSettings)> {
    vec![(RegistryName::new(stem), provider)]
}

fn acr_name(stem: &str, server: &Host, file: &File) -> String {
    match file {
        File::Acr(acr) if acr.login_servers.len() > 1 => format!("{stem}.{}", acr::label(server)),
        _ => stem.to_owned(),
    }
}

/// The Secret's name: the file's, else the one for all, else one by the file's name, which may be taken.
fn secret(document: &mut Document<'_>, common: &Common, global: &Global, stem: &str) -> String {
    if let Some(given) = common.secret.as_ref().or(global.secret.as_ref()) {
        return given.0.clone();
    }
    let own = format!("pullmint-{stem}");
    if own == STATE_SECRET && document.lacks("secret") {
        let flaw =
            Flaw::new(format!("the Secret of this registry would be `{own}`, where pullmint keeps its own state"));
        document
            .report(document.value("provider"), flaw.help("give the registry a `secret`, or its file another name"));
    }
    own
}

fn common(name: RegistryName, provider: ProviderSettings, common: &Common, global: &Global, secret: &str) -> Registry {
    let accounts = common.service_accounts.as_ref().unwrap_or(&global.service_accounts);
    let (own, all) = (&common.namespaces, &global.namespaces);
    let globs = |globs: &[text::Glob]| globs.iter().map(|glob| glob.0.clone()).collect();
    Registry {
        name,
        provider,
        secret: secret.to_owned(),
        namespaces: NamespaceSelection {
            include: globs(own.include.as_ref().unwrap_or(&all.include)),
            exclude: globs(own.exclude.as_ref().unwrap_or(&all.exclude)),
            selector: own.selector.as_ref().unwrap_or(&all.selector).0.clone(),
        },
        service_accounts: accounts.iter().map(|account| account.0.clone()).collect(),
        renewal: Renewal {
            at: common.renew_at,
            schedule: common.schedule.as_ref().and_then(|cron| text::cron(&cron.0).ok()),
        },
        verify: common.verify,
    }
}

/// One choice of a key that decides about others: which it needs, and which else it takes.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) needs: &'static [&'static str],
    pub(super) takes: &'static [&'static str],
}

/// The choices that a key offers, if it is one that decides about others.
pub(super) fn choices(key: &str) -> &'static [Choice] {
    match key {
        "identity" => &acr::IDENTITIES,
        "source" => &docker_hub::SOURCES,
        _ => &[],
    }
}

/// Checks that with `key = "name"` the keys stand that it needs, and none that only other choices take.
fn chosen(document: &mut Document<'_>, key: &str, name: &str, choices: &[Choice]) {
    let Some(choice) = choices.iter().find(|choice| choice.name == name) else { return };
    let missing: Vec<&str> = choice.needs.iter().copied().filter(|needed| document.lacks(needed)).collect();
    if !missing.is_empty() {
        let flaw = Flaw::new(format!("`{key} = \"{name}\"` also needs `{}`", missing.join("` and `")));
        document.report(document.value(key), flaw);
    }
    let takes = |choice: &Choice, key: &str| choice.needs.contains(&key) || choice.takes.contains(&key);
    let mut dependent: Vec<&str> =
        choices.iter().flat_map(|other| other.needs.iter().chain(other.takes)).copied().collect();
    dependent.sort_unstable();
    dependent.dedup();
    for other in dependent.into_iter().filter(|other| !takes(choice, other)) {
        if let Some(span) = document.key(other) {
            let owners: Vec<_> =
                choices.iter().filter(|choice| takes(choice, other)).map(|choice| choice.name).collect();
            let flaw = Flaw::new(format!("`{other}` means nothing with `{key} = \"{name}\"`"));
            document
                .report(Some(span), flaw.help(format!("it belongs to `{key} = \"{}\"`", owners.join("\"` or `\""))));
        }
    }
}

/// The place of a key's value, or of the provider's if the key is absent.
fn place(document: &Document<'_>, key: &str) -> Option<Span> {
    document.value(key).or_else(|| document.value("provider"))
}

fn path(dir: &Path, file: &text::File) -> PathBuf {
    dir.join(&file.0)
}
