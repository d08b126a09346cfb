//! Asks a registry whether it accepts a credential, as a client that pulls would: the answer before the Secret.
//!
//! `GET /v2/`, its challenge, then Basic authentication or the token flow of distribution's specification.

use futures::future::join_all;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::http::{Answer, Http};
use super::{MintError, Reason};
use crate::credential::Credential;
use crate::registry::Host;

pub mod challenge;
pub mod realm;

use challenge::Challenge;

/// What a credential is tried at.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The registries, asked side by side.
    pub hosts: &'a [Host],
    /// A repository that the credential may pull, where the configuration names one.
    pub repository: Option<&'a str>,
    /// What a person can do when a registry refuses.
    pub denied: &'a str,
}

/// Tries the credential at each host.
///
/// One refusal refuses the credential, whatever the other hosts say: half of the Secret's keys would not work. A host
/// without a verdict, because it hangs or babbles, does not hide that others accept: the error then has its reason,
/// which is not [`Reason::Denied`], and tells how many did.
///
/// # Errors
/// [`Reason::Denied`] when a registry refuses; any other reason when one gave no verdict.
pub async fn verify(http: &Http, target: Target<'_>, credential: &Credential) -> Result<(), MintError> {
    let verdicts = join_all(target.hosts.iter().map(|host| verify_host(http, host, target, credential))).await;
    let accepting = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    let Some(mut error) =
        verdicts.into_iter().filter_map(Result::err).min_by_key(|error| error.reason != Reason::Denied)
    else {
        return Ok(());
    };
    if accepting > 0 {
        error.attempt = format!("{} (accepted by {accepting} of {} hosts)", error.attempt, target.hosts.len()).into();
    }
    Err(error)
}

async fn verify_host(http: &Http, host: &Host, target: Target<'_>, credential: &Credential) -> Result<(), MintError> {
    let attempt = format!("try the credential at {host}");
    let api: Url = host.api().parse().map_err(|error: url::ParseError| {
        MintError::new(Reason::Misconfigured, attempt.clone(), "correct the registry's host").caused_by(error)
    })?;
    let get = |url: &Url| http.request(Method::GET, url.clone());

    let answer = http.send(&attempt, get(&api)).await?;
    if answer.status.is_success() {
        return Ok(());
    }
    if answer.status == StatusCode::FORBIDDEN {
        let remedy = "the registry listens to nobody here: check its firewall and network rules";
        return Err(MintError { reason: Reason::Unexpected, ..answer.refusal(&attempt, remedy) });
    }
    if answer.status != StatusCode::UNAUTHORIZED {
        return Err(answer.refusal(&attempt, target.denied));
    }

    let password = credential.password.expose_secret();
    let answer = match chosen(&answer) {
        Some(Challenge::Basic) => {
            http.send(&attempt, get(&api).basic_auth(&credential.username, Some(password))).await?
        }
        Some(Challenge::Bearer { realm, service, scope }) => {
            let mut realm = realm::permitted(&realm, &api).map_err(|why| {
                let remedy =
                    "no credential was sent there; ask the registry's operator why its token realm is elsewhere";
                MintError::new(Reason::Unexpected, attempt.clone(), remedy).caused_by(why)
            })?;
            let scope = target.repository.map(|name| format!("repository:{name}:pull")).or(scope);
            let query = [("service", service), ("scope", scope)];
            realm.query_pairs_mut().extend_pairs(query.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))));
            let request = get(&realm).basic_auth(&credential.username, Some(password));
            let answer = http.send(&attempt, request).await?;
            if !answer.status.is_success() {
                return Err(answer.refusal(&attempt, target.denied));
            }
            let token = bearer(&answer, &attempt)?;
            http.send(&attempt, get(&api).bearer_auth(token.expose_secret())).await?
        }
        None => {
            let remedy = "pullmint knows Basic and Bearer authentication only; check that this is a registry";
            return Err(MintError::new(Reason::Unexpected, attempt, remedy).caused_by("no known WWW-Authenticate"));
        }
    };
    if answer.status.is_success() { Ok(()) } else { Err(answer.refusal(&attempt, target.denied)) }
}

/// Bearer before Basic: registries that offer both want the former.
fn chosen(answer: &Answer) -> Option<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE);
    let challenges: Vec<_> =
        headers.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
    let is_bearer = |challenge: &Challenge| matches!(challenge, Challenge::Bearer { .. });
    let best = challenges.iter().position(is_bearer).unwrap_or(0);
    challenges.into_iter().nth(best)
}

/// The token endpoint's answer: either name is in use (distribution's token specification).
#[derive(Deserialize)]
struct Bearer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
}

/// The token in a token service's answer.
///
/// # Errors
/// [`Reason::Unexpected`] when there is none.
pub(super) fn bearer(answer: &Answer, attempt: &str) -> Result<SecretString, MintError> {
    let Bearer { token, access_token } = answer.json(attempt)?;
    token.or(access_token).ok_or_else(|| {
        let remedy = "check that this is a registry: its token service gave no token";
        MintError::new(Reason::Unexpected, attempt.to_owned(), remedy)
    })
}
