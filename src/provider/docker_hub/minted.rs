//! Access tokens that pullmint makes: one per mint, with an end, deleted when another has taken its place.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::hub_api::{Session, Token};
use crate::config::settings::DockerHubLogin;
use crate::credential::{Credential, Expiry, TokenHandle};
use crate::provider::{MintError, Outside, Reason, Revocation};
use crate::registry::RegistryName;

/// Docker Hub allows 100 characters; the rest is for the time of the mint.
const LONGEST_PREFIX: usize = 80;

/// No mint deletes more than this: it is there to mint.
const MOST_DELETIONS: usize = 20;

/// Whose tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    /// The organization's: they belong to nobody, and pull these repositories only.
    Organization { organization: &'a str, repositories: &'a [String] },
    /// The login's own: they pull whatever it may read.
    Personal,
}

impl Kind<'_> {
    fn path(self) -> String {
        match self {
            Self::Organization { organization, .. } => format!("orgs/{organization}/access-tokens"),
            Self::Personal => "access-tokens".to_owned(),
        }
    }

    fn body(self, label: &str, expires_at: Timestamp) -> Value {
        let expires_at = format!("{expires_at:.0}");
        match self {
            Self::Organization { repositories, .. } => json!({
                "label": label,
                "description": "Made by pullmint to pull images; it deletes this token once it is replaced.",
                "expires_at": expires_at,
                "resources": repositories.iter().map(|path| json!({
                    "type": "TYPE_REPO", "path": path, "scopes": ["scope-image-pull"],
                })).collect::<Vec<_>>(),
            }),
            Self::Personal => json!({"token_label": label, "scopes": ["repo:read"], "expires_at": expires_at}),
        }
    }
}

/// How to make a token.
#[derive(Debug)]
pub(super) struct Minted<'a> {
    pub(super) outside: &'a Outside,
    pub(super) registry: &'a RegistryName,
    pub(super) kind: Kind<'a>,
    pub(super) login: &'a DockerHubLogin,
    pub(super) lifetime: Duration,
    pub(super) label: &'a str,
}

impl Minted<'_> {
    pub(super) async fn mint(&self) -> Result<Credential, MintError> {
        let now = self.outside.clock.now();
        let lifetime = SignedDuration::try_from(self.lifetime).ok();
        let expires_at = lifetime.and_then(|life| now.checked_add(life).ok()).ok_or_else(|| {
            MintError::new(Reason::Misconfigured, "make an access token at Docker Hub", "set a shorter `lifetime`")
        })?;
        let session = Session::log_in(&self.outside.http, self.login).await?;
        let path = self.kind.path();
        // Expired tokens count against the quota until someone deletes them. If that fails, there may be room yet.
        let patience = self.outside.http.patience();
        let deleted = match timeout(patience, self.delete_expired(&session, &path, now)).await {
            Ok(Ok(left)) => Ok(left),
            Ok(Err(error)) => Err(error.chain()),
            Err(_) => Err(format!("they were not deleted within {} s", patience.as_secs())),
        };
        let existing = deleted
            .inspect_err(
                |error| tracing::warn!(registry = %self.registry, error, "expired access tokens stay at Docker Hub"),
            )
            .ok();
        let label = self.own_labels().at(now);
        let (id, password, ends_at) = session.create(&path, &self.kind.body(&label, expires_at), existing).await?;
        Ok(Credential {
            username: match self.kind {
                Kind::Organization { organization, .. } => organization.to_owned(),
                Kind::Personal => self.login.username.clone(),
            },
            password,
            expiry: Expiry::At(ends_at.unwrap_or(expires_at)),
            handle: Some(TokenHandle(id)),
        })
    }

    pub(super) async fn revoke(&self, handle: &TokenHandle) -> Result<Revocation, MintError> {
        let session = Session::log_in(&self.outside.http, self.login).await?;
        session.delete(&self.kind.path(), &handle.0).await
    }

    /// Deletes what this registry's mints left behind and what opens nothing any more. Others' tokens are not touched,
    /// nor are live ones: another pullmint may have published them. Tells how many are left.
    async fn delete_expired(&self, session: &Session<'_>, path: &str, now: Timestamp) -> Result<usize, MintError> {
        let labels = self.own_labels();
        let is_ours = |token: &&Token| labels.contains(token.label()) && token.expires_at.is_some_and(|at| at <= now);
        let listed = session.list(path).await?;
        let mut left = listed.len();
        for id in listed.iter().filter(is_ours).filter_map(Token::id).take(MOST_DELETIONS) {
            if session.delete(path, id).await? == Revocation::Gone {
                left -= 1;
            }
        }
        Ok(left)
    }

    fn own_labels(&self) -> Labels {
        let prefix: String = format!("{}-{}", self.label, self.registry).chars().take(LONGEST_PREFIX).collect();
        Labels(prefix)
    }
}

/// The labels `LABEL-REGISTRY-TIME` of one registry's tokens.
struct Labels(String);

impl Labels {
    fn at(&self, now: Timestamp) -> String {
        format!("{self}-{}", now.strftime("%Y%m%dT%H%M%S%3fZ"))
    }

    fn contains(&self, label: &str) -> bool {
        let time = label.strip_prefix(&self.0).and_then(|rest| rest.strip_prefix('-'));
        time.is_some_and(|time| time.ends_with('Z') && time.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_own_tokens_from_those_of_others() {
        let now = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        let hub = Labels("pullmint-hub".into());
        assert_eq!(hub.at(now), "pullmint-hub-20260102T030405678Z");
        assert!(hub.contains(&hub.at(now)));
        assert!(!hub.contains(&Labels("pullmint-hub-2".into()).at(now)));
        assert!(!hub.contains("pullmint-hub-for-ci"));
        assert!(!hub.contains("pullmint-hub"));
    }
}
