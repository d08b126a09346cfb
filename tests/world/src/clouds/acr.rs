//! Azure Container Registry's own token endpoints (Azure/acr, docs/AAD-OAuth.md).

use axum::response::Response;
use serde_json::json;

use super::azure::REGISTRY;
use super::call::{Answer, Call, json, registry_error};
use super::tokens::{Grant, repository_scope, uuid};
use super::{Clouds, Service, State, seed};

/// The user name that goes with a token as password.
const NULL_USER: &str = "00000000-0000-0000-0000-000000000000";

pub(crate) fn unauthorized() -> Response {
    registry_error(
        401,
        "UNAUTHORIZED",
        "authentication required, visit https://aka.ms/acr/authorization for more information.",
    )
}

/// `POST /oauth2/exchange`: an Entra token becomes a refresh token.
pub(crate) fn exchange(clouds: &Clouds, call: &Call) -> Answer {
    let form = call.form();
    let mut state = clouds.state();
    if form.get("grant_type") != "access_token" || form.get("service") != call.host {
        return Err(registry_error(400, "INVALID_REQUEST", "grant_type or service is not supported"));
    }
    let grant = state.vault.open(form.get("access_token"), state.now()).map_err(|_| unauthorized())?;
    let from_azure = matches!(grant.service, Service::Entra | Service::ManagedIdentity);
    let tenant = form.opt("tenant").unwrap_or(seed::AZURE_TENANT);
    // A token for the resource manager does not count: `azureADAuthenticationAsArmPolicy` is disabled.
    if !from_azure || grant.audience != REGISTRY || tenant != seed::AZURE_TENANT {
        return Err(unauthorized());
    }
    let holder = grant.holder.clone();
    let (now, expires) = (state.now().as_second(), state.expiry(Service::AcrExchange, call, None));
    let token = clouds.sign(&json!({
        "jti": uuid(), "sub": holder, "nbf": now, "exp": expires.as_second(), "iat": now,
        "iss": "Azure Container Registry", "aud": call.host, "version": "1.0", "tenant": seed::AZURE_TENANT,
        "grant_type": "refresh_token", "permissions": {"actions": ["read"]}, "canary": "CANARY-acr",
    }));
    let grant = Grant::new(Service::AcrExchange, &holder, &call.host, Some(expires)).reading(vec!["*".to_owned()]);
    state.mint(&token, grant);
    Ok(json(200, json!({"refresh_token": token})))
}

/// `/oauth2/token`: a refresh token, or user and password, become a bearer for some repositories.
pub(crate) fn token(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    let fields = if call.method == "POST" { call.form() } else { call.query() };
    if fields.get("service") != call.host {
        return Err(registry_error(400, "INVALID_REQUEST", "service is not supported"));
    }
    let (user, password) = match (call.method.as_str(), fields.get("grant_type")) {
        ("POST", "refresh_token") => (NULL_USER.to_owned(), fields.get("refresh_token").to_owned()),
        ("POST", "password") => (fields.get("username").to_owned(), fields.get("password").to_owned()),
        ("GET", _) => call.basic().ok_or_else(unauthorized)?,
        _ => return Err(registry_error(400, "UNSUPPORTED", "grant_type is not supported")),
    };
    let reads = reads(&state, &call.host, &user, &password).ok_or_else(unauthorized)?;
    let names: Vec<_> = fields
        .all("scope")
        .flat_map(str::split_whitespace)
        .filter_map(repository_scope)
        .filter(|(name, actions)| {
            actions.contains(&"pull") && reads.iter().any(|read| super::tokens::covers(read, name))
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    let expires = state.expiry(Service::AcrToken, call, None);
    let access: Vec<_> =
        names.iter().map(|name| json!({"type": "repository", "name": name, "actions": ["pull"]})).collect();
    let token = clouds.sign(&json!({
        "jti": uuid(), "sub": user, "iss": "Azure Container Registry", "aud": call.host, "version": "1.0",
        "iat": state.now().as_second(), "nbf": state.now().as_second(), "exp": expires.as_second(), "access": access,
        "grant_type": "access_token",
    }));
    state.mint(&token, Grant::new(Service::AcrToken, &user, &call.host, Some(expires)).reading(names));
    Ok(json(200, json!({"access_token": token})))
}

/// What a user and password may read: a token that belongs to the registry, or the application's own secret.
fn reads(state: &State, registry: &str, user: &str, password: &str) -> Option<Vec<String>> {
    if (user, password) == (seed::AZURE_CLIENT, seed::AZURE_SECRET) {
        return Some(vec!["*".to_owned()]);
    }
    let grant = state.vault.open(password, state.now()).ok()?;
    let is_token = matches!(grant.service, Service::AcrExchange | Service::AcrToken);
    (user == NULL_USER && is_token && grant.audience == registry).then(|| grant.reads.clone())
}
