//! Docker Hub's OIDC connections: a token of another issuer, exchanged for one that pulls.
//!
//! Wire format: docker/login-action, `src/dockerhub.ts`. In beta; the trusted issuers are Docker's choice.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::credential::{Credential, Expiry};
use crate::provider::jwt::Claims;
use crate::provider::{MintError, Outside, Reason, secret_file};

const ENDPOINT: &str = "https://identity.docker.com/oauth/token";

const DENIED: &str = "check `connection_id`, and that the connection trusts the token's issuer and subject; the token's audience \
                      must be https://identity.docker.com, and it must not have expired";

/// Exchanges the token in `token_file`.
pub(super) async fn exchange(
    outside: &Outside,
    organization: &str,
    connection_id: &str,
    token_file: &Path,
    lifetime: Duration,
) -> Result<Credential, MintError> {
    #[derive(Deserialize)]
    struct Exchanged {
        access_token: SecretString,
        expires_in: Option<i64>,
    }
    let attempt = "exchange the OIDC token at Docker Hub";
    let now = outside.clock.now();
    let subject = secret_file::read("token_file", token_file).await?;
    let seconds = lifetime.as_secs().to_string();
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", subject.expose_secret()),
        ("connection_id", connection_id),
        ("expires_in", &seconds),
    ];
    let url: Url = ENDPOINT.parse().unwrap_or_else(|_| unreachable!("a constant URL"));
    let answer = outside.http.send(attempt, outside.http.request(Method::POST, url).form(&form)).await?;
    if answer.status == StatusCode::BAD_REQUEST {
        // OAuth's answer to a token or a connection that it does not accept (RFC 6749, section 5.2).
        let refusal = answer.refusal(attempt, DENIED);
        return Err(MintError { reason: Reason::Denied, remedy: DENIED.into(), ..refusal });
    }
    if !answer.status.is_success() {
        return Err(answer.refusal(attempt, DENIED));
    }
    let Exchanged { access_token, expires_in } = answer.json(attempt)?;
    let claimed = Claims::of(access_token.expose_secret()).and_then(|claims| claims.expiry());
    let seconds = expires_in.or_else(|| i64::try_from(lifetime.as_secs()).ok()).unwrap_or(0);
    let expiry = claimed.or_else(|| now.checked_add(SignedDuration::from_secs(seconds)).ok()).ok_or_else(|| {
        let remedy = "check that HTTPS_PROXY leads to Docker Hub: the answer's life span makes no sense";
        MintError::new(Reason::Unexpected, attempt, remedy)
    })?;
    Ok(Credential {
        username: organization.to_owned(),
        password: access_token,
        expiry: Expiry::At(expiry),
        handle: None,
    })
}
