//! Who may see metrics and status, where that is asked: the API server decides, by its own token review and RBAC.

mod cache;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::clock::Clock;
use cache::Cache;

/// The API server is asked no more than so many questions at once, whoever sends how many tokens.
const QUESTIONS: usize = 4;

/// The API server's answer is awaited no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// No token of a cluster is longer; others are not asked about.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Reviews tokens.
pub(super) struct Reviewer {
    client: Client,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
    questions: Semaphore,
}

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

/// Why somebody sees nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No token, or none that the cluster knows.
    #[error("show a token of this cluster: Authorization: Bearer TOKEN")]
    Unknown,
    /// Whose token it is may not see this.
    #[error(
        "{user} may not get {path}; a ClusterRole with nonResourceURLs [{path:?}] and verbs [\"get\"] would allow it"
    )]
    Forbidden {
        /// Who.
        user: String,
        /// What.
        path: String,
    },
    /// The API server could not be asked.
    #[error("could not ask the API server about the token: {0}")]
    Unanswered(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Unanswered(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let challenge = (code == StatusCode::UNAUTHORIZED).then_some([(header::WWW_AUTHENTICATE, "Bearer")]);
        (code, challenge, format!("{self}\n")).into_response()
    }
}

impl Reviewer {
    pub(super) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, cache: Mutex::new(Cache::default()), questions: Semaphore::new(QUESTIONS) }
    }

    /// Whether the token in these headers opens the path. An answer holds for a minute; that there was none, not at all.
    pub(super) async fn review(&self, headers: &HeaderMap, path: &str) -> Result<(), Refusal> {
        let token = bearer(headers).ok_or(Refusal::Unknown)?;
        let key = Sha256::new().chain_update(Sha256::digest(token)).chain_update(path).finalize().into();
        if let Some(answer) = self.cache().get(&key, self.clock.now()) {
            return answer;
        }
        let asked = timeout(PATIENCE, async {
            let _place = self.questions.acquire().await;
            self.ask(token, path).await
        });
        let answer = match asked.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Refusal::Unanswered(error.to_string())),
            Err(_) => return Err(Refusal::Unanswered(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        self.cache().put(key, answer.clone(), self.clock.now());
        answer
    }

    async fn ask(&self, token: &str, path: &str) -> Result<Result<(), Refusal>, Error> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() },
            ..TokenReview::default()
        };
        let review = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let Some(user) = review.status.filter(|status| status.authenticated == Some(true)).and_then(|it| it.user)
        else {
            return Ok(Err(Refusal::Unknown));
        };
        let name = user.username.clone().unwrap_or_default();
        let review = SubjectAccessReview { spec: may_get(user, path), ..SubjectAccessReview::default() };
        let review = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok(if allowed { Ok(()) } else { Err(Refusal::Forbidden { user: name, path: path.to_owned() }) })
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing can panic while it is held.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn may_get(user: UserInfo, path: &str) -> SubjectAccessReviewSpec {
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
    SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST_TOKEN).then_some(token)
}
