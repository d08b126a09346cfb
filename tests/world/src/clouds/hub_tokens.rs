//! Docker Hub's API: login, personal and organization access tokens (Docker Hub API reference).

use axum::body::Body;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Answer, Call, json};
use super::docker_hub::REGISTRY;
use super::tokens::{Closed, Grant, Vault, unique, uuid};
use super::{Clouds, Service, State, seed};

/// All access tokens, and the limits of the organization's plan.
pub(crate) struct Hub {
    tokens: Vec<Token>,
    pub(crate) quota: usize,
    pub(crate) pull_limit: u64,
    pub(crate) pulls: u64,
}

struct Token {
    id: String,
    /// A Docker ID, or an organization.
    owner: String,
    secret: String,
    /// As the API shows it: without the secret.
    shown: Value,
}

impl Hub {
    /// With one token of each kind that no program made, and none may delete.
    pub(crate) fn seeded(vault: &mut Vault) -> Self {
        let mut tokens = Vec::new();
        for (owner, secret) in [(seed::HUB_OWNER, seed::HUB_PERSONAL_TOKEN), (seed::HUB_ORG, seed::HUB_ORG_TOKEN)] {
            vault
                .keep(secret, Grant::new(Service::HubTokens, owner, REGISTRY, None).reading(vec!["acme/*".to_owned()]));
            let id = uuid();
            let shown = json!({
                "id": id, "uuid": id, "label": "made by hand", "token_label": "made by hand", "is_active": true,
                "expires_at": null, "created_at": "2026-01-01T00:00:00Z",
            });
            tokens.push(Token { id, owner: owner.to_owned(), secret: secret.to_owned(), shown });
        }
        Self { tokens, quota: 10, pull_limit: 200, pulls: 0 }
    }
}

impl Hub {
    pub(crate) fn shown(&self, owner: &str) -> Vec<Value> {
        self.tokens.iter().filter(|token| token.owner == owner).map(|token| token.shown.clone()).collect()
    }
}

fn refusal(status: u16, why: &str) -> Response {
    json(status, json!({"detail": why, "message": why}))
}

/// What a login was made with decides what its JWT may do.
const BY_PASSWORD: &str = "password";
const BY_TOKEN: &str = "token";

/// `POST /v2/auth/token`
pub(crate) fn login(clouds: &Clouds, call: &Call) -> Answer {
    let body = call.json();
    let (user, secret) = (body["identifier"].as_str().unwrap_or_default(), body["secret"].as_str().unwrap_or_default());
    let mut state = clouds.state();
    let token = state.vault.open(secret, state.now()).ok();
    let by = match (user, secret) {
        (seed::HUB_OWNER | seed::HUB_MEMBER, seed::HUB_PASSWORD) => BY_PASSWORD,
        (seed::HUB_2FA, seed::HUB_PASSWORD) => {
            let why = "Require secondary authentication on MFA enabled account";
            return Err(json(401, json!({"detail": why, "message": why, "login_2fa_token": uuid()})));
        }
        (seed::HUB_SSO, seed::HUB_PASSWORD) => {
            return Err(refusal(401, "Your organization requires single sign-on: log in with a personal access token"));
        }
        _ if token.is_some_and(|grant| grant.service == Service::HubTokens && grant.holder == user) => BY_TOKEN,
        _ => return Err(refusal(401, "incorrect username or password")),
    };
    let expires = state.expiry(Service::HubLogin, call, None);
    let jwt = clouds.sign(&json!({
        "iss": "https://login.docker.com/", "aud": "https://hub.docker.com", "sub": user, "jti": uuid(),
        "iat": state.now().as_second(), "exp": expires.as_second(), "source": by,
    }));
    state.mint(&jwt, Grant::new(Service::HubLogin, user, by, Some(expires)));
    Ok(json(200, json!({"access_token": jwt})))
}

/// `/v2/access-tokens…` and `/v2/orgs/ORG/access-tokens…`
pub(crate) fn tokens(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    let parts: Vec<_> = call.path.trim_matches('/').split('/').collect();
    let (org, id) = match parts.as_slice() {
        ["v2", "access-tokens"] => (None, None),
        ["v2", "access-tokens", id] => (None, Some(*id)),
        ["v2", "orgs", org, "access-tokens"] => (Some(*org), None),
        ["v2", "orgs", org, "access-tokens", id] => (Some(*org), Some(*id)),
        _ => return Err(refusal(404, "object not found")),
    };
    let user = manager(&state, call)?;
    if org.is_some_and(|org| org != seed::HUB_ORG) {
        return Err(refusal(404, "organization not found"));
    }
    if org.is_some() && user != seed::HUB_OWNER {
        return Err(refusal(403, "permission denied: only an organization's owner may do this"));
    }
    let owner = org.unwrap_or(&user).to_owned();
    match (call.method.as_str(), id) {
        ("POST", None) => create(&mut state, call, org, &owner, &user),
        ("GET", None) => Ok(list(&state, call, &owner, org.is_some())),
        (method, Some(id)) => one(&mut state, call, method, id, &owner),
        _ => Err(refusal(405, "method not allowed")),
    }
}

/// The Docker ID behind a JWT that may manage tokens: made with a password, and not ten minutes old.
fn manager(state: &State, call: &Call) -> Result<String, Response> {
    match state.vault.open(call.bearer().unwrap_or_default(), state.now()) {
        Ok(grant) if grant.service == Service::HubLogin && grant.audience == BY_PASSWORD => Ok(grant.holder.clone()),
        Ok(grant) if grant.service == Service::HubLogin => {
            Err(refusal(403, "token issued from personal access token is not allowed"))
        }
        Err(Closed::Expired) => Err(refusal(401, "token is expired")),
        _ => Err(refusal(401, "unauthorized")),
    }
}

fn create(state: &mut State, call: &Call, org: Option<&str>, owner: &str, user: &str) -> Answer {
    let body = call.json();
    let now = state.now();
    let label = body[if org.is_some() { "label" } else { "token_label" }].as_str().unwrap_or_default();
    if !(1..=100).contains(&label.chars().count()) {
        return Err(json(400, json!({"fields": {"label": "must have 1 to 100 characters"}, "text": "invalid label"})));
    }
    let asked = match &body["expires_at"] {
        Value::Null => None,
        when => match when.as_str().and_then(|when| when.parse::<Timestamp>().ok()) {
            Some(when) if when > now => Some(when),
            _ => {
                return Err(json(
                    400,
                    json!({"fields": {"expires_at": "must be in the future"}, "text": "invalid date"}),
                ));
            }
        },
    };
    let reads = match org {
        Some(org) => org_reads(&body, org),
        None => personal_reads(&body),
    }
    .ok_or_else(|| json(400, json!({"fields": {"scopes": "invalid"}, "text": "invalid resources or scopes"})))?;
    // Expired and deactivated tokens count too, until they are deleted.
    if org.is_some() && state.hub.tokens.iter().filter(|token| token.owner == owner).count() >= state.hub.quota {
        return Err(refusal(403, "the organization has reached its limit of access tokens"));
    }
    // Docker gives the life that was asked for; a shorter one of ours caps it.
    let limited = call.stale || state.lives.contains_key(&Service::HubTokens);
    let limit = limited.then(|| state.expiry(Service::HubTokens, call, None));
    let expires = [asked, limit].into_iter().flatten().min();

    let secret = unique(if org.is_some() { "dckr_oat_CANARY_" } else { "dckr_pat_CANARY_" }, 32);
    let id = uuid();
    let shown = match org {
        Some(_) => json!({
            "id": id, "label": label, "created_by": user, "is_active": true, "created_at": now, "expires_at": expires,
            "last_used_at": null, "resources": body["resources"],
        }),
        None => json!({
            "uuid": id, "client_id": "HUB", "creator_ip": "127.0.0.1", "creator_ua": call.header("user-agent"),
            "created_at": now, "last_used": null, "generated_by": "manual", "is_active": true, "token_label": label,
            "scopes": body["scopes"], "expires_at": expires,
        }),
    };
    state.mint(&secret, Grant::new(Service::HubTokens, owner, REGISTRY, expires).reading(reads));
    let mut answer = shown.clone();
    answer["token"] = secret.clone().into();
    state.hub.tokens.push(Token { id, owner: owner.to_owned(), secret, shown });
    Ok(json(201, answer))
}

/// The repositories of an organization token: its own, at most fifty, and only where pulling is among the scopes.
fn org_reads(body: &Value, org: &str) -> Option<Vec<String>> {
    let resources = body["resources"].as_array()?;
    let mut reads = Vec::new();
    for resource in resources {
        let path = resource["path"].as_str()?;
        let own = path.strip_prefix(org).is_some_and(|rest| rest.starts_with('/'));
        let scopes = resource["scopes"].as_array().filter(|scopes| !scopes.is_empty())?;
        if resource["type"] != "TYPE_REPO" || !(own || path == "*/*/public") {
            return None;
        }
        if own && scopes.iter().any(|scope| scope == "scope-image-pull") {
            reads.push(path.to_owned());
        }
    }
    (1..=50).contains(&resources.len()).then_some(reads)
}

/// A personal token reads all that its user may, or only what everybody may.
fn personal_reads(body: &Value) -> Option<Vec<String>> {
    const SCOPES: [&str; 4] = ["repo:admin", "repo:write", "repo:read", "repo:public_read"];
    let scopes: Vec<_> = body["scopes"].as_array()?.iter().filter_map(Value::as_str).collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| SCOPES.contains(scope)) {
        return None;
    }
    let private = scopes.iter().any(|scope| *scope != "repo:public_read");
    Some(if private { vec![format!("{}/*", seed::HUB_ORG)] } else { Vec::new() })
}

fn list(state: &State, call: &Call, owner: &str, org: bool) -> Response {
    let query = call.query();
    let number = |name, usual| query.get(name).parse().ok().filter(|number| *number > 0).unwrap_or(usual);
    let (page, size) = (number("page", 1), number("page_size", 10).min(100));
    let all: Vec<_> = state.hub.tokens.iter().filter(|token| token.owner == owner).map(|token| &token.shown).collect();
    let results: Vec<_> = all.iter().skip((page - 1) * size).take(size).collect();
    let link = |page: usize| format!("https://hub.docker.com{}?page={page}&page_size={size}", call.path);
    let next = (page * size < all.len()).then(|| link(page + 1));
    let previous = (page > 1).then(|| link(page - 1));
    let count = if org { "total" } else { "count" };
    json(200, json!({count: all.len(), "next": next, "previous": previous, "results": results}))
}

fn one(state: &mut State, call: &Call, method: &str, id: &str, owner: &str) -> Answer {
    let place = state.hub.tokens.iter().position(|token| token.id == id && token.owner == owner);
    let place = place.ok_or_else(|| refusal(404, "access token not found"))?;
    if method == "DELETE" {
        let gone = state.hub.tokens.remove(place);
        state.vault.get_mut(&gone.secret).into_iter().for_each(|grant| grant.revoked = true);
        return Ok(Response::builder().status(204).body(Body::empty()).expect("a response"));
    }
    let token = &mut state.hub.tokens[place];
    if method == "PATCH" {
        let body = call.json();
        for name in ["label", "token_label", "description", "is_active"] {
            if !body[name].is_null() {
                token.shown[name] = body[name].clone();
            }
        }
        let active = token.shown["is_active"] == true;
        state.vault.get_mut(&token.secret).into_iter().for_each(|grant| grant.revoked = !active);
    } else if method != "GET" {
        return Err(refusal(405, "method not allowed"));
    }
    Ok(json(200, token.shown.clone()))
}
