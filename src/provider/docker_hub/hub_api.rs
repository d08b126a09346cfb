//! The Docker Hub API as far as pullmint speaks it: log in; list, create and delete access tokens.

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::settings::DockerHubLogin;
use crate::provider::http::{Answer, Http};
use crate::provider::{MintError, Reason, Revocation, secret_file};

const API: &str = "https://hub.docker.com/v2/";

const LOGIN_DENIED: &str = "check the Docker ID (not the e-mail address) and the password in `password_file`; an account with \
                            two-factor authentication or enforced single sign-on cannot log in by password: use a \
                            service account without them";

const TWO_FACTORS: &str =
    "the account wants a second factor, which nobody can give here: use a service account without it";

const TOKENS_DENIED: &str = "the login must be by password, since a token may not manage tokens, and organization tokens need \
                             an owner of the organization on a Team or Business plan";

const PAGE: usize = 100;
/// No plan allows more tokens than stand on so many pages; a list without an end is not followed.
const MOST_PAGES: usize = 5;

/// A login of ten minutes.
#[derive(Debug)]
pub(super) struct Session<'a> {
    http: &'a Http,
    jwt: SecretString,
}

/// An access token. Personal ones have a `uuid` and a `token_label` where organizations' have an `id` and a `label`;
/// nothing says that no answer ever has both.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    id: Option<String>,
    uuid: Option<String>,
    label: Option<String>,
    token_label: Option<String>,
    pub(super) expires_at: Option<Timestamp>,
    /// The secret: told once, to who makes the token.
    pub(super) token: Option<SecretString>,
}

impl Token {
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref().or(self.uuid.as_deref())
    }

    pub(super) fn label(&self) -> &str {
        self.label.as_deref().or(self.token_label.as_deref()).unwrap_or_default()
    }
}

impl<'a> Session<'a> {
    /// `POST /v2/auth/token` with an account's password.
    pub(super) async fn log_in(http: &'a Http, login: &DockerHubLogin) -> Result<Self, MintError> {
        #[derive(Deserialize)]
        struct LoggedIn {
            access_token: SecretString,
        }
        let attempt = format!("log in to Docker Hub as {}", login.username);
        let password = secret_file::read("password_file", &login.password_file).await?;
        let body = json!({"identifier": login.username, "secret": password.expose_secret()});
        let request = http.request(Method::POST, url("auth/token")?).json(&body);
        let answer = http.send(&attempt, request).await?;
        if answer.field("login_2fa_token").is_some() {
            return Err(answer.refusal(&attempt, TWO_FACTORS));
        }
        if !answer.status.is_success() {
            return Err(answer.refusal(&attempt, LOGIN_DENIED));
        }
        Ok(Self { http, jwt: answer.json::<LoggedIn>(&attempt)?.access_token })
    }

    /// All tokens that the login sees at `path`.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Token>, MintError> {
        #[derive(Deserialize)]
        struct Page {
            results: Vec<Token>,
        }
        let attempt = "list the access tokens at Docker Hub";
        let mut listed = Vec::new();
        for page in 1..=MOST_PAGES {
            let mut url = url(path)?;
            url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("page_size", &PAGE.to_string());
            let answer = self.send(attempt, self.http.request(Method::GET, url)).await?;
            if !answer.status.is_success() {
                return Err(answer.refusal(attempt, TOKENS_DENIED));
            }
            let results = answer.json::<Page>(attempt)?.results;
            let is_last = results.len() < PAGE;
            listed.extend(results);
            if is_last {
                break;
            }
        }
        Ok(listed)
    }

    /// Makes a token: its id, its secret and its end. `existing` tells how many there are, if that could be seen.
    pub(super) async fn create(
        &self,
        path: &str,
        body: &Value,
        existing: Option<usize>,
    ) -> Result<(String, SecretString, Option<Timestamp>), MintError> {
        let attempt = "make an access token at Docker Hub";
        let request = self.http.request(Method::POST, url(path)?).json(body);
        let answer = self.send(attempt, request).await?;
        if answer.status.is_success() {
            let created: Token = answer.json(attempt)?;
            let id = created.id().map(str::to_owned);
            return id.zip(created.token).map(|(id, token)| (id, token, created.expires_at)).ok_or_else(|| {
                let remedy = "check that no proxy answers instead of hub.docker.com: there is no token in the answer";
                MintError::new(Reason::Unexpected, attempt, remedy)
            });
        }
        let refusal = answer.refusal(attempt, TOKENS_DENIED);
        Err(match answer.status {
            StatusCode::NOT_FOUND => MintError {
                reason: Reason::Misconfigured,
                remedy: "check `organization`: Docker Hub shows none of that name to the login".into(),
                ..refusal
            },
            // The reference gives a full quota no status of its own.
            status if status.is_client_error() && refusal.reason != Reason::Throttled => match existing {
                None => refusal,
                Some(existing) => MintError {
                    reason: Reason::Denied,
                    remedy: format!(
                        "there are {existing} tokens already, and a plan allows only so many, expired and deactivated ones \
                         included (organizations: 10 on Team, 100 on Business): delete old ones; else check `repositories`, \
                         `lifetime`, and that {TOKENS_DENIED}"
                    )
                    .into(),
                    ..refusal
                },
            },
            _ => refusal,
        })
    }

    /// Deletes a token.
    pub(super) async fn delete(&self, path: &str, id: &str) -> Result<Revocation, MintError> {
        let attempt = "delete an access token at Docker Hub";
        let mut url = url(path)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id);
        }
        let answer = self.send(attempt, self.http.request(Method::DELETE, url)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Revocation::Gone),
            // The login was accepted: it is another one's token.
            StatusCode::FORBIDDEN => Ok(Revocation::OutOfReach),
            status if status.is_success() => Ok(Revocation::Gone),
            _ => Err(answer.refusal(attempt, TOKENS_DENIED)),
        }
    }

    async fn send(&self, attempt: &str, request: RequestBuilder) -> Result<Answer, MintError> {
        self.http.send(attempt, request.bearer_auth(self.jwt.expose_secret())).await
    }
}

fn url(path: &str) -> Result<Url, MintError> {
    format!("{API}{path}").parse().map_err(|error: url::ParseError| {
        MintError::new(Reason::Misconfigured, "address Docker Hub", "correct `organization`").caused_by(error)
    })
}
