//! Docker Hub: tokens that someone else made, tokens that pullmint makes and deletes, and an OIDC exchange.
//!
//! Wire formats: Docker Hub API reference (docker/docs, `content/reference/api/hub/latest.yaml`).

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use super::verify::{Target, verify};
use super::{MintError, Outside, Provider, PullLimit, Revocation, secret_file};
use crate::config::settings::{DockerHub, DockerHubSource};
use crate::credential::{Credential, Expiry, TokenHandle};
use crate::registry::{Host, RegistryName};

pub mod hub_api;
pub mod minted;
pub mod oidc;
mod pull_limit;

use minted::{Kind, Minted};

const DENIED: &str = "check the user name, which is the Docker ID and not the e-mail address, or the organization's name for \
                      an organization's token; check that the token is active and may read";

/// Mints, or just reads, tokens for Docker Hub.
#[derive(Debug)]
pub struct DockerHubProvider {
    outside: Outside,
    registry: RegistryName,
    source: DockerHubSource,
    hosts: [Host; 1],
}

impl DockerHubProvider {
    /// For these settings. `registry` becomes part of the labels by which pullmint knows its own tokens.
    #[must_use]
    pub fn new(registry: &RegistryName, settings: &DockerHub, outside: Outside) -> Self {
        let DockerHub { source } = settings.clone();
        Self { outside, registry: registry.clone(), source, hosts: [Host::docker_hub()] }
    }

    /// How tokens are made and deleted, where pullmint does that.
    fn minted(&self) -> Option<Minted<'_>> {
        let (kind, login, lifetime, label) = match &self.source {
            DockerHubSource::OrganizationToken { organization, login, repositories, lifetime, label } => {
                (Kind::Organization { organization, repositories }, login, *lifetime, label)
            }
            DockerHubSource::PersonalToken { login, lifetime, label } => (Kind::Personal, login, *lifetime, label),
            DockerHubSource::TokenFile { .. } | DockerHubSource::Oidc { .. } => return None,
        };
        Some(Minted { outside: &self.outside, registry: &self.registry, kind, login, lifetime, label })
    }

    /// A repository whose name the configuration gives in full.
    fn repository(&self) -> Option<&str> {
        let DockerHubSource::OrganizationToken { repositories, .. } = &self.source else {
            return None;
        };
        repositories.iter().map(String::as_str).find(|path| !path.contains('*'))
    }
}

async fn read(username: &str, token_file: &Path, expires_at: Option<Timestamp>) -> Result<Credential, MintError> {
    Ok(Credential {
        username: username.to_owned(),
        password: secret_file::read("token_file", token_file).await?,
        expiry: expires_at.map_or(Expiry::Never, Expiry::At),
        handle: None,
    })
}

#[async_trait]
impl Provider for DockerHubProvider {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn is_polled(&self) -> bool {
        matches!(self.source, DockerHubSource::TokenFile { .. })
    }

    async fn mint(&self) -> Result<Credential, MintError> {
        match &self.source {
            DockerHubSource::TokenFile { username, token_file, expires_at } => {
                read(username, token_file, *expires_at).await
            }
            DockerHubSource::Oidc { organization, connection_id, token_file, lifetime } => {
                oidc::exchange(&self.outside, organization, connection_id, token_file, *lifetime).await
            }
            DockerHubSource::OrganizationToken { .. } | DockerHubSource::PersonalToken { .. } => {
                let minted = self.minted().unwrap_or_else(|| unreachable!("both sources mint"));
                minted.mint().await
            }
        }
    }

    async fn revoke(&self, handle: &TokenHandle) -> Result<Revocation, MintError> {
        match self.minted() {
            Some(minted) => minted.revoke(handle).await,
            // A handle from before the source was changed: its login is no longer known here.
            None => Ok(Revocation::OutOfReach),
        }
    }

    async fn verify(&self, credential: &Credential) -> Result<(), MintError> {
        let target = Target { hosts: &self.hosts, repository: self.repository(), denied: DENIED };
        verify(&self.outside.http, target, credential).await
    }

    async fn pull_limit(&self, credential: &Credential) -> Result<Option<PullLimit>, MintError> {
        pull_limit::ask(&self.outside.http, credential).await
    }
}
