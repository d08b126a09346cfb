//! Microsoft Graph: applications and service principals (Microsoft Graph REST API reference, v1.0).

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::azure::{DIRECTORY, SIGN_IN};
use super::call::{Answer, Call, json};
use super::tokens::{Closed, Grant, unique, uuid};
use super::{Clouds, Service, State};

/// The tenant's applications and service principals, as Graph shows them.
#[derive(Default)]
pub(crate) struct Directory {
    applications: Vec<Value>,
    principals: Vec<Value>,
}

impl Directory {
    /// The service principal with this object id.
    pub(crate) fn principal(&self, id: &str) -> Option<&Value> {
        self.principals.iter().find(|principal| principal["id"] == id)
    }

    /// Whether somebody may sign in by this client id.
    pub(crate) fn knows(&self, client: &str) -> bool {
        self.principals.iter().any(|principal| principal["appId"] == client)
    }

    /// Makes a service principal for a client id.
    pub(crate) fn enroll(&mut self, client: &str, name: &str, kind: &str) -> Value {
        let principal = json!({
            "id": uuid(), "appId": client, "displayName": name, "servicePrincipalType": kind, "accountEnabled": true,
            "servicePrincipalNames": [client], "passwordCredentials": [], "keyCredentials": [],
        });
        self.principals.push(principal.clone());
        principal
    }
}

/// `/v1.0/applications…` and `/v1.0/servicePrincipals`
pub(crate) fn graph(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    authenticate(&state, call)?;
    let (parts, body) = (call.path.trim_matches('/').split('/').collect::<Vec<_>>(), call.json());
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["v1.0", "applications"]) => list(&state.directory.applications, call),
        ("GET", ["v1.0", "servicePrincipals"]) => list(&state.directory.principals, call),
        ("POST", ["v1.0", "applications"]) => register(&mut state, &body),
        ("POST", ["v1.0", "applications", id, "addPassword"]) => add_password(&mut state, id, &body),
        ("POST", ["v1.0", "servicePrincipals"]) => admit(&mut state, &body),
        _ => Err(refusal(400, "BadRequest", &format!("Resource not found for the segment '{}'.", parts.join("/")))),
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let inner = json!({"request-id": uuid(), "client-request-id": uuid()});
    json(status, json!({"error": {"code": code, "message": message, "innerError": inner}}))
}

fn authenticate(state: &State, call: &Call) -> Result<(), Response> {
    let why = match call.bearer().map(|token| state.vault.open(token, state.now())) {
        Some(Ok(grant)) if grant.audience == DIRECTORY => return Ok(()),
        Some(Ok(_)) => "Access token validation failure. Invalid audience.",
        Some(Err(Closed::Expired)) => "Lifetime validation failed, the token is expired.",
        Some(Err(Closed::Unknown)) => "Access token validation failure. Invalid signature.",
        None => "Access token is empty.",
    };
    Err(refusal(401, "InvalidAuthenticationToken", why))
}

/// Those whose name fits the filter: `displayName eq 'NAME'` or `startswith(displayName,'NAME')`.
fn list(all: &[Value], call: &Call) -> Answer {
    let query = call.query();
    let filter = query.get("$filter");
    let quoted = |before, after| filter.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let (exact, start) = (quoted("displayName eq '", "'"), quoted("startswith(displayName,'", "')"));
    if exact.is_none() && start.is_none() {
        return Err(refusal(400, "BadRequest", &format!("Invalid filter clause: {filter}")));
    }
    let fits =
        |name: &str| exact.is_some_and(|exact| name == exact) || start.is_some_and(|start| name.starts_with(start));
    let found: Vec<_> = all.iter().filter(|one| one["displayName"].as_str().is_some_and(fits)).collect();
    Ok(json(200, json!({"value": found})))
}

fn register(state: &mut State, body: &Value) -> Answer {
    let Some(name) = body["displayName"].as_str() else {
        return Err(refusal(400, "Request_BadRequest", "A value is required for property 'displayName' of resource."));
    };
    let application = json!({
        "id": uuid(), "appId": uuid(), "displayName": name, "createdDateTime": state.now(),
        "signInAudience": "AzureADMyOrg", "passwordCredentials": [], "keyCredentials": body["keyCredentials"],
    });
    state.directory.applications.push(application.clone());
    Ok(json(201, application))
}

/// The only time that the password is shown.
fn add_password(state: &mut State, id: &str, body: &Value) -> Answer {
    let asked = &body["passwordCredential"];
    let expires = asked["endDateTime"].as_str().and_then(|end| end.parse::<Timestamp>().ok());
    let Some(application) = state.directory.applications.iter_mut().find(|application| application["id"] == id) else {
        let why =
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
        return Err(refusal(404, "Request_ResourceNotFound", &why));
    };
    let secret = unique("CANARY~", 33);
    let credential = json!({
        "customKeyIdentifier": null, "displayName": asked["displayName"], "startDateTime": asked["startDateTime"],
        "endDateTime": expires, "hint": &secret[..3], "keyId": uuid(), "secretText": null,
    });
    application["passwordCredentials"].as_array_mut().expect("a list").push(credential.clone());
    let client = application["appId"].as_str().unwrap_or_default();
    state.vault.keep(&secret, Grant::new(Service::Entra, client, SIGN_IN, expires));
    let mut answer = credential;
    answer["secretText"] = secret.into();
    Ok(json(200, answer))
}

fn admit(state: &mut State, body: &Value) -> Answer {
    let client = body["appId"].as_str().unwrap_or_default();
    let Some(application) = state.directory.applications.iter().find(|application| application["appId"] == client)
    else {
        let why =
            format!("The appId '{client}' of the service principal does not reference a valid application object.");
        return Err(refusal(400, "Request_BadRequest", &why));
    };
    let name = application["displayName"].as_str().unwrap_or_default().to_owned();
    Ok(json(201, state.directory.enroll(client, &name, "Application")))
}
