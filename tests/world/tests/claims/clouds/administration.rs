//! Azure's resource manager and Microsoft Graph, as an administrator's tools see them.

use serde_json::{Value, json};
use world::clouds::seed;

use super::azure::access_token;
use super::{Answer, Net, answer};

const MANAGER: &str = "https://management.azure.com";
const GRAPH: &str = "https://graph.microsoft.com";
const ROLES: &str = "providers/Microsoft.Authorization/roleDefinitions";

/// An administrator, with a token for each of the two.
struct Administrator {
    net: Net,
    manager: String,
    graph: String,
}

impl Administrator {
    async fn start() -> Self {
        let net = Net::start().await;
        let manager = access_token(&net, "https://management.core.windows.net/").await;
        let graph = access_token(&net, "https://graph.microsoft.com/").await;
        Self { net, manager, graph }
    }

    async fn manages(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.asks(method, &format!("{MANAGER}/subscriptions/{}/{path}", seed::AZURE_SUBSCRIPTION), &self.manager, body)
            .await
    }

    async fn asks(&self, method: &str, url: &str, token: &str, body: &Value) -> Answer {
        let request = self.net.http.request(method.parse().unwrap(), url).bearer_auth(token);
        answer(request.body(body.to_string())).await
    }
}

fn refused(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn the_resource_manager_says_what_is_not_there_and_which_versions_there_are() {
    let admin = Administrator::start().await;
    let registry = "providers/Microsoft.ContainerRegistry/registries/acmeregistry";
    let version = "api-version=2026-09-01-preview";
    for (path, status, code) in [
        (format!("resourceGroups/ACME/{registry}?{version}"), 200, ""),
        (format!("resourceGroups/other/{registry}?{version}"), 404, "ResourceGroupNotFound"),
        (format!("resourceGroups/acme/{registry}2?{version}"), 404, "ResourceNotFound"),
        (format!("resourceGroups/acme/{registry}"), 400, "MissingApiVersionParameter"),
        (format!("resourceGroups/acme/{registry}?api-version=2019-05-01"), 404, "InvalidResourceType"),
        (format!("resourceGroups/acme/providers/Microsoft.Web/sites/a?{version}"), 404, "InvalidResourceType"),
        (format!("{ROLES}?api-version=2022-05-01-preview&$filter=AcrPull"), 400, "InvalidFilterInQueryString"),
    ] {
        assert_eq!(refused(&admin.manages("GET", &path, &Value::Null).await), (status, code), "{path}");
    }
    let url = format!("{MANAGER}/subscriptions?api-version=2022-12-01");
    for (token, code) in
        [("made up", "InvalidAuthenticationToken"), (&admin.graph, "InvalidAuthenticationTokenAudience")]
    {
        assert_eq!(refused(&admin.asks("GET", &url, token, &Value::Null).await), (401, code));
    }
}

#[tokio::test]
async fn a_role_is_assigned_once_and_only_to_somebody_in_the_directory() {
    let admin = Administrator::start().await;
    let group = "resourceGroups/acme/providers";
    let identities = format!("{group}/Microsoft.ManagedIdentity/userAssignedIdentities");
    let path = format!("{identities}/pullmint?api-version=2025-05-31-preview");
    let identity = admin.manages("PUT", &path, &json!({"location": "westeurope"})).await;
    assert_eq!(identity.status, 201);
    let principal = &identity.json["properties"]["principalId"];
    let named = |name: &str| format!("{ROLES}?api-version=2022-05-01-preview&$filter=roleName eq '{name}'");
    assert_eq!(admin.manages("GET", &named("AcrPush"), &Value::Null).await.json["value"], json!([]));
    let role = admin.manages("GET", &named("AcrPull"), &Value::Null).await.json["value"][0]["id"].take();

    let assigned = |role: &Value, principal: &Value, kind| json!({"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": kind}});
    let service = "ServicePrincipal";
    for (body, status, code) in [
        (assigned(&json!("/subscriptions/0/no-role"), principal, service), 404, "RoleDefinitionDoesNotExist"),
        (assigned(&role, &json!("nobody"), service), 400, "PrincipalNotFound"),
        (assigned(&role, principal, "User"), 400, "UnmatchedPrincipalType"),
        (assigned(&role, principal, service), 201, ""),
        (assigned(&role, principal, service), 409, "RoleAssignmentExists"),
    ] {
        let id = format!("{group}/Microsoft.ContainerRegistry/registries/acmeregistry/providers");
        let path = format!("{id}/Microsoft.Authorization/roleAssignments/{status}?api-version=2022-04-01");
        assert_eq!(refused(&admin.manages("PUT", &path, &body).await), (status, code), "{body}");
    }
    let path = format!("{identities}/pullmint/federatedIdentityCredentials/pullmint?api-version=2025-01-31-preview");
    let nobody = json!({"properties": {"issuer": seed::ISSUER, "audiences": [seed::AUDIENCE_ENTRA]}});
    assert_eq!(refused(&admin.manages("PUT", &path, &nobody).await), (400, "BadRequest"));
}

#[tokio::test]
async fn graph_gives_an_application_a_password_by_which_it_signs_in() {
    let admin = Administrator::start().await;
    let url = format!("{GRAPH}/v1.0/applications");
    let foreign = admin.asks("POST", &url, &admin.manager, &Value::Null).await;
    assert_eq!(refused(&foreign), (401, "InvalidAuthenticationToken"));
    let principals = format!("{GRAPH}/v1.0/servicePrincipals");
    let nobody = admin.asks("POST", &principals, &admin.graph, &json!({"appId": "nobody"})).await;
    assert_eq!(refused(&nobody), (400, "Request_BadRequest"));

    let application = admin.asks("POST", &url, &admin.graph, &json!({"displayName": "pullmint"})).await.json;
    let (id, client) = (application["id"].as_str().unwrap(), application["appId"].as_str().unwrap());
    let asked = json!({"passwordCredential": {"endDateTime": "2099-01-01T00:00:00Z"}});
    let password = admin.asks("POST", &format!("{url}/{id}/addPassword"), &admin.graph, &asked).await.json;
    let secret = password["secretText"].as_str().unwrap();
    let own = [("client_id", client), ("client_secret", secret)];
    assert_eq!(super::azure::entra(&admin.net, seed::AZURE_TENANT, &own).await.json["error_codes"][0], 700016);
    admin.asks("POST", &principals, &admin.graph, &json!({"appId": client})).await;
    assert_eq!(super::azure::entra(&admin.net, seed::AZURE_TENANT, &own).await.status, 200);
    let others = [("client_secret", secret)];
    assert_eq!(super::azure::entra(&admin.net, seed::AZURE_TENANT, &others).await.json["error_codes"][0], 7000215);

    for (filter, found) in
        [("displayName eq 'pullmint'", 1), ("startswith(displayName,'pull')", 1), ("displayName eq 'x'", 0)]
    {
        let listed = admin.asks("GET", &format!("{principals}?$filter={filter}"), &admin.graph, &Value::Null).await;
        assert_eq!(listed.json["value"].as_array().map(Vec::len), Some(found), "{filter}: {listed:?}");
    }
}
