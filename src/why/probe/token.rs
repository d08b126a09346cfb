//! The token flow of containerd: the credential as a form, and where that is not understood, in a header.

use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::reply::Reply;
use super::transport::{Auth, Kind, Transport};
use crate::why::answer::Trouble;

/// What a registry demands, and who asks.
pub(super) struct Wanted<'a> {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: String,
    pub(super) login: Option<&'a (String, SecretString)>,
}

/// Why there is no token.
pub(super) enum Refusal {
    Trouble(Trouble),
    Status(Box<Reply>),
    Nonsense(String),
}

/// Fetches one, and tells what was asked.
pub(super) async fn fetch(transport: &Transport, wanted: &Wanted<'_>) -> (Result<SecretString, Refusal>, Vec<String>) {
    let mut trail = Vec::new();
    let result = fetched(transport, wanted, &mut trail).await;
    (result, trail)
}

async fn fetched(transport: &Transport, wanted: &Wanted<'_>, trail: &mut Vec<String>) -> Result<SecretString, Refusal> {
    let mut told = |method: &str, reply: Result<Reply, Trouble>| {
        let who = if wanted.login.is_some() { "with the credential" } else { "as nobody" };
        let end = match &reply {
            Ok(reply) => reply.status.to_string(),
            Err(trouble) => trouble.to_string(),
        };
        trail.push(format!("{method} {} ({who}) → {end}", super::shown(&wanted.realm, None)));
        reply.map_err(Refusal::Trouble)
    };
    if let Some((user, password)) = wanted.login {
        let mut form = vec![("grant_type", "password"), ("client_id", "pullmint"), ("scope", wanted.scope.as_str())];
        form.extend(wanted.service.as_deref().map(|service| ("service", service)));
        form.extend([("username", user.as_str()), ("password", password.expose_secret())]);
        let reply = told("POST", transport.post(wanted.realm.clone(), &form).await)?;
        if reply.status.is_success() {
            return token(&reply);
        }
        // The answers by which containerd knows a service without this flow.
        let is_unknown = matches!(
            reply.status,
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
        if !is_unknown {
            return Err(Refusal::Status(reply.into()));
        }
    }
    let mut url = wanted.realm.clone();
    let service = wanted.service.as_ref().map(|service| ("service", service));
    url.query_pairs_mut().extend_pairs(service.into_iter().chain([("scope", &wanted.scope)]));
    let auth = match wanted.login {
        Some((user, password)) => Auth::Basic(user.clone(), password.clone()),
        None => Auth::Nobody,
    };
    let reply = told("GET", transport.send(Method::GET, url, &auth, Kind::Token).await)?;
    if reply.status.is_success() { token(&reply) } else { Err(Refusal::Status(reply.into())) }
}

/// Either name is in use.
#[derive(Deserialize)]
struct Bearer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
}

fn token(reply: &Reply) -> Result<SecretString, Refusal> {
    let bearer: Option<Bearer> = serde_json::from_slice(&reply.body).ok();
    let token = bearer.and_then(|bearer| bearer.token.or(bearer.access_token));
    token.ok_or_else(|| Refusal::Nonsense("its token service gave no token".to_owned()))
}
