//! Docker Hub's token services: the registry's (distribution's token specification) and the OIDC exchange
//! (docker/login-action, `src/dockerhub.ts`).

use std::time::Duration;

use axum::response::Response;
use serde_json::json;

use super::call::{Answer, Call, json};
use super::tokens::{Grant, registry_claims, repository_scope, unique};
use super::{Clouds, Service, State, seed};

/// The name by which Docker Hub's bearers are meant for its registry.
pub(crate) const REGISTRY: &str = "registry.docker.io";

/// Only the organization's namespace is private; everything else anybody may pull.
fn is_public(repository: &str) -> bool {
    !repository.starts_with(&format!("{}/", seed::HUB_ORG))
}

/// `auth.docker.io/token`: GET with or without Basic, POST with the password grant. Too little access is no error:
/// the bearer just carries less.
pub(crate) fn registry_token(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    let post = call.method == "POST";
    let fields = if post { call.form() } else { call.query() };
    let caller = match post {
        true => Some((fields.get("username").to_owned(), fields.get("password").to_owned())),
        false => call.basic(),
    };
    let reads = match &caller {
        None => Vec::new(),
        Some((user, password)) => reads(&state, user, password)
            .ok_or_else(|| json(401, json!({"details": "incorrect username or password"})))?,
    };
    if fields.get("service") != REGISTRY {
        return Err(json(400, json!({"details": "invalid service"})));
    }
    let names = fields
        .all("scope")
        .flat_map(str::split_whitespace)
        .filter_map(repository_scope)
        .filter(|(name, _)| is_public(name) || reads.iter().any(|read| super::tokens::covers(read, name)))
        .map(|(name, _)| name.to_owned())
        .collect();
    let user = caller.map(|(user, _)| user).unwrap_or_default();
    Ok(bearer_answer(clouds, &mut state, Service::HubToken, REGISTRY, &user, names, call))
}

/// What a Docker ID or organization may read with a password or one of its tokens.
fn reads(state: &State, user: &str, password: &str) -> Option<Vec<String>> {
    if password == seed::HUB_PASSWORD && [seed::HUB_OWNER, seed::HUB_MEMBER].contains(&user) {
        return Some(vec![format!("{}/*", seed::HUB_ORG)]);
    }
    let grant = state.vault.open(password, state.now()).ok()?;
    let is_token = matches!(grant.service, Service::HubTokens | Service::HubOidc);
    (is_token && grant.holder == user).then(|| grant.reads.clone())
}

/// A registry bearer for pulling these repositories, as token services answer.
pub(crate) fn bearer_answer(
    clouds: &Clouds,
    state: &mut State,
    service: Service,
    audience: &str,
    user: &str,
    names: Vec<String>,
    call: &Call,
) -> Response {
    let (now, expires) = (state.now(), state.expiry(service, call, None));
    let access: Vec<_> =
        names.iter().map(|name| json!({"type": "repository", "name": name, "actions": ["pull"]})).collect();
    let token = clouds.sign(&registry_claims(audience, audience, &access.into(), now, expires));
    state.mint(&token, Grant::new(service, user, audience, Some(expires)).reading(names));
    let life = (expires.as_second() - now.as_second()).max(0);
    json(200, json!({"token": token, "access_token": token, "expires_in": life, "issued_at": now.to_string()}))
}

/// `identity.docker.com/oauth/token`: a cluster's token becomes a password of the organization. Docker trusts
/// GitHub only, so far; here the cluster is trusted, so that the exchange itself can be tried.
pub(crate) fn oidc(clouds: &Clouds, call: &Call) -> Answer {
    let form = call.form();
    let mut state = clouds.state();
    let no = |status, error: &str, why: &str| Err(json(status, json!({"error": error, "error_description": why})));
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange"
        || form.get("subject_token_type") != "urn:ietf:params:oauth:token-type:id_token"
    {
        return no(400, "unsupported_grant_type", "grant_type or subject_token_type is not supported");
    }
    if form.get("connection_id") != seed::HUB_CONNECTION {
        return no(400, "invalid_request", "connection_id is invalid");
    }
    let Ok(asked @ 300..=21_600) = form.opt("expires_in").unwrap_or("3600").parse() else {
        return no(400, "invalid_request", "expires_in must be between 300 and 21600");
    };
    if let Err(mismatch) = state.federation.check(form.get("subject_token"), seed::AUDIENCE_HUB, state.now()) {
        return no(401, "invalid_grant", &format!("subject_token was refused: {mismatch:?}"));
    }
    let token = unique("dckr_oidc_CANARY_", 64);
    let expires = state.expiry(Service::HubOidc, call, Some(Duration::from_secs(asked)));
    let grant = Grant::new(Service::HubOidc, seed::HUB_ORG, REGISTRY, Some(expires));
    state.mint(&token, grant.reading(vec![format!("{}/*", seed::HUB_ORG)]));
    let life = (expires.as_second() - state.now().as_second()).max(0);
    Ok(json(
        200,
        json!({
            "access_token": token, "token_type": "Bearer", "expires_in": life,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }),
    ))
}
