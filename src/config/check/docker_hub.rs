//! Docker Hub.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::{Choice, chosen, path, place};
use crate::config::document::Document;
use crate::config::file::{self, Source};
use crate::config::report::Flaw;
use crate::config::settings::{DockerHub, DockerHubLogin, DockerHubSource};
use crate::config::text;

pub(super) const SOURCES: [Choice; 4] = [
    Choice { name: "token-file", needs: &["username", "token_file"], takes: &["expires_at"] },
    Choice {
        name: "organization-token",
        needs: &["organization", "username", "password_file", "repositories"],
        takes: &["lifetime", "label"],
    },
    Choice { name: "personal-token", needs: &["username", "password_file"], takes: &["lifetime", "label"] },
    Choice { name: "oidc", needs: &["organization", "connection_id", "token_file"], takes: &["lifetime"] },
];

const HOUR: Duration = Duration::from_secs(3600);

/// Docker states no least life of a minted token; below this, hardly any would be left when it is in the Secrets.
const MINTED: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(365 * 24 * 3600);

/// Docker's own bounds for exchanged tokens.
const EXCHANGED: RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(6 * 3600);

pub(super) fn registry(document: &mut Document<'_>, hub: &file::DockerHub, dir: &Path) -> Option<DockerHub> {
    let (name, default, bounds) = match hub.source {
        Source::TokenFile => ("token-file", HOUR, MINTED),
        Source::OrganizationToken => ("organization-token", 24 * HOUR, MINTED),
        Source::PersonalToken => ("personal-token", 24 * HOUR, MINTED),
        Source::Oidc => ("oidc", HOUR, EXCHANGED),
    };
    chosen(document, "source", name, &SOURCES);
    let lifetime = hub.lifetime.as_ref().and_then(|text| text::lifetime(&text.0).ok()).unwrap_or(default);
    if !bounds.contains(&lifetime) {
        let bounds = if matches!(hub.source, Source::Oidc) { "from 5m to 6h" } else { "from 30s to 365 days" };
        let flaw = Flaw::new(format!("with `source = \"{name}\"` a token lives {bounds}"));
        document.report(place(document, "lifetime"), flaw);
    }
    let organization = || hub.organization.as_ref().map(|name| name.0.clone());
    let username = || hub.username.as_ref().map(|name| name.0.clone());
    let login =
        || Some(DockerHubLogin { username: username()?, password_file: path(dir, hub.password_file.as_ref()?) });
    let label = || hub.label.as_ref().map_or_else(|| "pullmint".to_owned(), |label| label.0.clone());
    let source = match hub.source {
        Source::TokenFile => DockerHubSource::TokenFile {
            username: username()?,
            token_file: path(dir, hub.token_file.as_ref()?),
            expires_at: hub.expires_at.as_ref().and_then(|time| time.0.parse().ok()),
        },
        Source::OrganizationToken => DockerHubSource::OrganizationToken {
            organization: organization()?,
            login: login()?,
            repositories: hub.repositories.as_ref()?.iter().map(|repository| repository.0.clone()).collect(),
            lifetime,
            label: label(),
        },
        Source::PersonalToken => DockerHubSource::PersonalToken { login: login()?, lifetime, label: label() },
        Source::Oidc => DockerHubSource::Oidc {
            organization: organization()?,
            connection_id: hub.connection_id.as_ref()?.0.clone(),
            token_file: path(dir, hub.token_file.as_ref()?),
            lifetime,
        },
    };
    Some(DockerHub { source })
}
