//! Azure Resource Manager, as an administrator asks it (Azure REST API reference). It knows the kinds of resources that the
//! guide to ACR is about, each in the version of its interface that the Azure CLI speaks.

use axum::response::Response;
use serde_json::{Value, json};

use super::azure::MANAGERS;
use super::call::{Answer, Call, json};
use super::resource_id::Id;
use super::resource_puts::put;
use super::resources::{ASSIGNMENT, CLUSTER, CREDENTIAL, GROUP, IDENTITY, REGISTRY, ROLE, SUBSCRIPTION};
use super::tokens::Closed;
use super::{Clouds, State};

/// What is listed across all kinds.
const RESOURCE: &str = "Microsoft.Resources/resources";

/// The kinds of resources, and the versions of their interfaces.
const VERSIONS: [(&str, &str); 9] = [
    (SUBSCRIPTION, "2022-12-01"),
    (GROUP, "2024-11-01"),
    (RESOURCE, "2024-11-01"),
    (CLUSTER, "2026-06-01"),
    (REGISTRY, "2026-09-01-preview"),
    (IDENTITY, "2025-05-31-preview"),
    (CREDENTIAL, "2025-01-31-preview"),
    (ROLE, "2022-05-01-preview"),
    (ASSIGNMENT, "2022-04-01"),
];

/// Whatever is asked of `management.azure.com`.
pub(crate) fn resource_manager(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    authenticate(&state, call)?;
    let id = Id::parse(&call.path);
    let kind = kind(&id, call.query().get("api-version"))?;
    match (call.method.as_str(), id.names_one()) {
        ("GET", true) => Ok(json(200, find(&state, &id)?.clone())),
        ("GET", false) => list(&state, &id, kind, call.query().get("$filter")),
        ("PUT", true) => put(&mut state, &id, kind, call.json()),
        _ => Err(not_allowed(kind)),
    }
}

/// An error as Azure words it.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Response {
    json(status, json!({"error": {"code": code, "message": message}}))
}

pub(crate) fn not_allowed(kind: &str) -> Response {
    refusal(405, "MethodNotAllowed", &format!("Resources of the type '{kind}' cannot be used so."))
}

fn authenticate(state: &State, call: &Call) -> Result<(), Response> {
    let (code, why) = match call.bearer().map(|token| state.vault.open(token, state.now())) {
        Some(Ok(grant)) if MANAGERS.contains(&grant.audience.as_str()) => return Ok(()),
        Some(Ok(_)) => ("InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience."),
        Some(Err(Closed::Expired)) => ("ExpiredAuthenticationToken", "The access token has expired."),
        Some(Err(Closed::Unknown)) => ("InvalidAuthenticationToken", "The access token is invalid."),
        None => ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    };
    Err(refusal(401, code, why))
}

/// The kind as it is written properly, if it has such a version.
fn kind(id: &Id, version: &str) -> Result<&'static str, Response> {
    if version.is_empty() {
        let why = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(refusal(400, "MissingApiVersionParameter", why));
    }
    let asked = id.kind();
    let (namespace, types) = asked.split_once('/').unwrap_or((&asked, ""));
    let no_such = format!(
        "The resource type '{types}' could not be found in the namespace '{namespace}' for api version '{version}'."
    );
    match VERSIONS.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(&asked)) {
        Some((kind, known)) if *known == version => Ok(kind),
        Some((_, known)) => {
            let why = format!("{no_such} The supported api-versions are '{known}'.");
            Err(refusal(404, "InvalidResourceType", &why))
        }
        None => Err(refusal(404, "InvalidResourceType", &no_such)),
    }
}

/// One resource, or the first that is missing on the way to it.
pub(crate) fn find<'a>(state: &'a State, id: &Id) -> Result<&'a Value, Response> {
    if let Some(parent) = id.parent() {
        find(state, &parent)?;
    }
    state.resources.get(id).ok_or_else(|| {
        let name = id.last();
        match id.kind().as_str() {
            kind if kind.eq_ignore_ascii_case(SUBSCRIPTION) => {
                refusal(404, "SubscriptionNotFound", &format!("The subscription '{name}' could not be found."))
            }
            kind if kind.eq_ignore_ascii_case(GROUP) => {
                refusal(404, "ResourceGroupNotFound", &format!("Resource group '{name}' could not be found."))
            }
            kind => refusal(404, "ResourceNotFound", &format!("The Resource '{kind}/{name}' was not found.")),
        }
    })
}

fn list(state: &State, id: &Id, kind: &str, filter: &str) -> Answer {
    if let Some(parent) = id.parent() {
        find(state, &parent)?;
    }
    let wanted = |field: &str| {
        let value = filter.strip_prefix(field).and_then(|rest| rest.strip_prefix(" eq '"));
        let why = format!("Invalid $filter '{filter}' specified in the query string.");
        value.and_then(|rest| rest.strip_suffix('\'')).ok_or_else(|| refusal(400, "InvalidFilterInQueryString", &why))
    };
    let found: Vec<_> = match kind {
        SUBSCRIPTION => state.resources.of_kind(SUBSCRIPTION).collect(),
        RESOURCE => state.resources.of_kind(wanted("resourceType")?).collect(),
        ROLE => {
            let name = wanted("roleName")?;
            state.resources.of_kind(ROLE).filter(|role| role["properties"]["roleName"] == name).collect()
        }
        _ => return Err(not_allowed(kind)),
    };
    Ok(json(200, json!({"value": found})))
}
