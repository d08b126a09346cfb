//! The Docker Hub API as far as pullmint speaks it: log in; list, create and delete access tokens.

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::settings::DockerHubLogin;
use crate::provider::http::{Answer, Http};
use crate::provider::{MintError, Reason, secret_file};

const API: &str = "https://hub.docker.com/v2/";

const LOGIN_DENIED: &str = "check the Docker ID (not the e-mail address) and the password in `password_file`; an account with \
                            two-factor authentication or enforced single sign-on cannot log in by password: use a \
                            service account without them";

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

/// An access token as the lists show it.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(alias = "uuid")]
    pub(super) id: String,
    #[serde(alias = "token_label", default)]
    pub(super) label: String,
    pub(super) expires_at: Option<Timestamp>,
}

/// An access token at its birth, the only time that Docker Hub tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Created {
    #[serde(alias = "uuid")]
    pub(super) id: String,
    pub(super) token: SecretString,
    pub(super) expires_at: Option<Timestamp>,
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
        if !answer.status.is_success() {
            return Err(answer.refusal(&attempt, LOGIN_DENIED));
        }
        Ok(Self { http, jwt: answer.json::<LoggedIn>(&attempt)?.access_token })
    }

    /// All tokens that the login sees at `path`.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Listed>, MintError> {
        #[derive(Deserialize)]
        struct Page {
            results: Vec<Listed>,
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

    /// Makes a token.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<Created, MintError> {
        let attempt = "make an access token at Docker Hub";
        let request = self.http.request(Method::POST, url(path)?).json(body);
        let answer = self.send(attempt, request).await?;
        match answer.status {
            status if status.is_success() => answer.json(attempt),
            // The reference gives no status of its own to a full quota, so both are told.
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Err(MintError {
                reason: Reason::Misconfigured,
                remedy: "either the quota of tokens is reached, to which expired and deactivated ones count (an organization \
                         has 10 on Team, 100 on Business: delete old ones), or a repository, the lifetime or the label is \
                         not acceptable"
                    .into(),
                ..answer.refusal(attempt, TOKENS_DENIED)
            }),
            StatusCode::NOT_FOUND => Err(MintError {
                reason: Reason::Misconfigured,
                remedy: "check `organization`: Docker Hub shows none of that name to the login".into(),
                ..answer.refusal(attempt, TOKENS_DENIED)
            }),
            StatusCode::PAYMENT_REQUIRED => Err(MintError {
                reason: Reason::Denied,
                remedy: TOKENS_DENIED.into(),
                ..answer.refusal(attempt, TOKENS_DENIED)
            }),
            _ => Err(answer.refusal(attempt, TOKENS_DENIED)),
        }
    }

    /// Deletes a token; one that is gone already is a success.
    pub(super) async fn delete(&self, path: &str, id: &str) -> Result<(), MintError> {
        let attempt = "delete an access token at Docker Hub";
        let mut url = url(path)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id);
        }
        let answer = self.send(attempt, self.http.request(Method::DELETE, url)).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(answer.refusal(attempt, TOKENS_DENIED))
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
