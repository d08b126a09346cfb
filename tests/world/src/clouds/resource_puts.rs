//! What becomes of the resources that an administrator puts into the Azure subscription.

use axum::response::Response;
use serde_json::{Value, json};

use super::call::{Answer, json};
use super::resource_id::Id;
use super::resource_manager::{find, not_allowed, refusal};
use super::resources::{ASSIGNMENT, CLUSTER, CREDENTIAL, IDENTITY, ROLE};
use super::tokens::uuid;
use super::{State, seed};

/// `PUT` of one resource.
pub(crate) fn put(state: &mut State, id: &Id, kind: &str, mut resource: Value) -> Answer {
    if let Some(parent) = id.parent() {
        find(state, &parent)?;
    }
    let before = state.resources.get(id).cloned();
    let asked = &resource["properties"];
    resource["properties"] = match (kind, &before) {
        (CLUSTER, Some(_)) => updated(asked),
        (IDENTITY, Some(before)) => before["properties"].clone(),
        (IDENTITY, None) => enrolled(state, id.last()),
        (CREDENTIAL, _) => trusted(asked)?,
        (ASSIGNMENT, None) => assigned(state, id, asked)?,
        _ => return Err(not_allowed(kind)),
    };
    Ok(json(if before.is_some() { 200 } else { 201 }, state.resources.put(id, kind, resource)))
}

/// A cluster that shall issue tokens gets an address under which it is known as their issuer.
fn updated(asked: &Value) -> Value {
    let mut properties = asked.clone();
    if properties["oidcIssuerProfile"]["enabled"] == true {
        properties["oidcIssuerProfile"]["issuerURL"] = seed::ISSUER.into();
    }
    properties
}

/// A managed identity is somebody in the directory.
fn enrolled(state: &mut State, name: &str) -> Value {
    let client = uuid();
    let principal = state.directory.enroll(&client, name, "ManagedIdentity");
    json!({"tenantId": seed::AZURE_TENANT, "clientId": client, "principalId": principal["id"]})
}

/// Whom a managed identity trusts.
fn trusted(asked: &Value) -> Result<Value, Response> {
    let said = |field: &str| asked[field].as_str().is_some_and(|text| !text.is_empty());
    match said("issuer") && said("subject") && asked["audiences"].as_array().is_some_and(|all| all.len() == 1) {
        true => Ok(asked.clone()),
        false => {
            let why = "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and \
                       'audience'.";
            Err(refusal(400, "BadRequest", why))
        }
    }
}

/// A role, for somebody, on that below which the assignment lies.
fn assigned(state: &State, id: &Id, asked: &Value) -> Result<Value, Response> {
    let (role, principal) = (&asked["roleDefinitionId"], &asked["principalId"]);
    let (role, principal) = (role.as_str().unwrap_or_default(), principal.as_str().unwrap_or_default());
    if state.resources.get(&Id::parse(role)).is_none_or(|found| found["type"] != ROLE) {
        let why = format!("The specified role definition with ID '{role}' does not exist.");
        return Err(refusal(404, "RoleDefinitionDoesNotExist", &why));
    }
    if state.directory.principal(principal).is_none() {
        let why = format!("Principal {principal} does not exist in the directory {}.", seed::AZURE_TENANT);
        return Err(refusal(400, "PrincipalNotFound", &why));
    }
    if asked["principalType"] != "ServicePrincipal" {
        let why = format!(
            "The PrincipalId '{principal}' has type 'ServicePrincipal', which is different from the specified one."
        );
        return Err(refusal(400, "UnmatchedPrincipalType", &why));
    }
    let scope = id.parent().map(|scope| scope.to_string());
    let properties = json!({
        "roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal", "scope": scope,
    });
    match state.resources.of_kind(ASSIGNMENT).any(|other| other["properties"] == properties) {
        true => Err(refusal(409, "RoleAssignmentExists", "The role assignment already exists.")),
        false => Ok(properties),
    }
}
