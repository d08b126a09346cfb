//! Azure Container Registry: an Entra token, exchanged at the registry for one of its own.
//!
//! Wire formats: Azure/acr, `docs/AAD-OAuth.md`.

use async_trait::async_trait;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::jwt::Claims;
use super::verify::{Target, verify};
use super::{MintError, Outside, Provider, Reason};
use crate::config::settings::Acr;
use crate::credential::{Credential, Expiry};
use crate::registry::Host;

pub mod aadsts;
pub mod identity;
pub mod transport;

/// The user name that goes with every token of ACR.
const NULL_GUID: &str = "00000000-0000-0000-0000-000000000000";

const DENIED: &str = "assign AcrPull on the registry to the identity; where the registry's role assignment mode is \
                      \"RBAC + ABAC repository permissions\", assign Container Registry Repository Reader instead";

/// Mints tokens for one login server.
#[derive(Debug)]
pub struct AcrProvider {
    outside: Outside,
    settings: Acr,
    hosts: [Host; 1],
}

impl AcrProvider {
    /// For these settings.
    #[must_use]
    pub fn new(settings: &Acr, outside: Outside) -> Self {
        Self { outside, settings: settings.clone(), hosts: [settings.login_server.clone()] }
    }

    /// Entra's token becomes a refresh token of the registry, good for whatever the identity may do.
    async fn exchange(&self, entra_token: &SecretString) -> Result<SecretString, MintError> {
        #[derive(Deserialize)]
        struct Exchanged {
            refresh_token: SecretString,
        }
        let attempt = format!("exchange the Entra token at {}", self.settings.login_server);
        let tenant = self.settings.tenant.as_deref().map(|tenant| ("tenant", tenant));
        let form: Vec<_> = [
            ("grant_type", "access_token"),
            ("service", self.settings.login_server.as_str()),
            ("access_token", entra_token.expose_secret()),
        ]
        .into_iter()
        .chain(tenant)
        .collect();
        let exchanged: Exchanged = self.post(&attempt, "exchange", &form).await?;
        Ok(exchanged.refresh_token)
    }

    /// A refresh token becomes an access token that pulls these repositories and can do nothing else.
    async fn narrow(&self, refresh_token: &SecretString) -> Result<SecretString, MintError> {
        #[derive(Deserialize)]
        struct Narrowed {
            access_token: SecretString,
        }
        let attempt = format!("ask {} for a token for the configured repositories", self.settings.login_server);
        let scopes: Vec<_> = self.settings.repositories.iter().map(|name| format!("repository:{name}:pull")).collect();
        let form: Vec<_> = [
            ("grant_type", "refresh_token"),
            ("service", self.settings.login_server.as_str()),
            ("refresh_token", refresh_token.expose_secret()),
        ]
        .into_iter()
        .chain(scopes.iter().map(|scope| ("scope", scope.as_str())))
        .collect();
        let narrowed: Narrowed = self.post(&attempt, "token", &form).await?;

        // Too few rights are no error at a token service: the token just grants less than was asked for.
        let access = Claims::of(narrowed.access_token.expose_secret()).and_then(|claims| claims.access);
        let missing = access.and_then(|access| {
            let withheld = |name: &&String| !access.iter().any(|grant| grant.name == **name && grant.pulls());
            self.settings.repositories.iter().find(withheld)
        });
        match missing {
            None => Ok(narrowed.access_token),
            Some(name) => Err(MintError::new(Reason::Denied, attempt, DENIED)
                .caused_by(format!("the registry grants no pull of {name:?}"))),
        }
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        attempt: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<T, MintError> {
        let url = format!("https://{}/oauth2/{path}", self.settings.login_server);
        let url: Url = url.parse().map_err(|error: url::ParseError| {
            MintError::new(Reason::Misconfigured, attempt.to_owned(), "correct `login_server`").caused_by(error)
        })?;
        let request = self.outside.http.request(Method::POST, url).form(form);
        let answer = self.outside.http.send(attempt, request).await?;
        match answer.status {
            status if status.is_success() => answer.json(attempt),
            StatusCode::BAD_REQUEST => Err(MintError {
                reason: Reason::Misconfigured,
                remedy: "check `tenant`, `audience` and `repositories`: the registry does not understand the request"
                    .into(),
                ..answer.refusal(attempt, DENIED)
            }),
            _ => Err(answer.refusal(attempt, DENIED)),
        }
    }
}

#[async_trait]
impl Provider for AcrProvider {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    async fn mint(&self) -> Result<Credential, MintError> {
        let entra_token = identity::token(&self.settings, &self.outside).await?;
        let refresh_token = self.exchange(&entra_token).await?;
        let password =
            if self.settings.repositories.is_empty() { refresh_token } else { self.narrow(&refresh_token).await? };
        let expiry = Claims::of(password.expose_secret()).and_then(|claims| claims.expiry()).ok_or_else(|| {
            let attempt = format!("read the expiry of {}'s token", self.settings.login_server);
            MintError::new(Reason::Unexpected, attempt, "check that `login_server` is an Azure Container Registry")
        })?;
        Ok(Credential { username: NULL_GUID.to_owned(), password, expiry: Expiry::At(expiry), handle: None })
    }

    async fn verify(&self, credential: &Credential) -> Result<(), MintError> {
        let repository = self.settings.repositories.first().map(String::as_str);
        let target = Target { hosts: &self.hosts, repository, denied: DENIED };
        verify(&self.outside.http, target, credential).await
    }
}
