//! Azure's identities: Entra ID's token endpoint and managed identity (Microsoft identity platform documentation,
//! "client credentials flow"; App Service documentation, "REST endpoint reference").

use axum::response::Response;
use serde_json::json;

use super::call::{Answer, Call, Fields, json};
use super::federation::Mismatch;
use super::tokens::{Grant, uuid};
use super::{Clouds, Service, State, seed};

/// The registry's own resource, for which tokens are given.
pub(crate) const REGISTRY: &str = "https://containerregistry.azure.net";
/// The resource manager by its names; a hardened registry does not take tokens for it.
pub(crate) const MANAGERS: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net/"];
/// Microsoft Graph.
pub(crate) const DIRECTORY: &str = "https://graph.microsoft.com/";

/// For what an application's password is good.
pub(crate) const SIGN_IN: &str = "sign-in";

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn is_resource(name: &str) -> bool {
    [REGISTRY, DIRECTORY].contains(&name) || MANAGERS.contains(&name)
}

/// An error as Entra words it; the number is what counts.
pub(crate) fn refusal(status: u16, error: &str, number: u32, why: &str) -> Response {
    let (trace, correlation) = (uuid(), uuid());
    json(
        status,
        json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {why} Trace ID: {trace} Correlation ID: {correlation}"),
            "error_codes": [number],
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        }),
    )
}

/// What Entra answers below a tenant.
pub(crate) fn entra(clouds: &Clouds, call: &Call) -> Answer {
    let (tenant, endpoint) = call.path.trim_start_matches('/').split_once('/').unwrap_or_default();
    if tenant != seed::AZURE_TENANT {
        return Err(refusal(400, "invalid_request", 90002, &format!("Tenant '{tenant}' not found.")));
    }
    match endpoint {
        "v2.0/.well-known/openid-configuration" => Ok(configuration(&format!("https://{}/{tenant}", call.host))),
        "oauth2/v2.0/token" => token(clouds, call),
        _ => Err(json(404, json!({}))),
    }
}

/// Where a tenant's endpoints are.
fn configuration(tenant: &str) -> Response {
    json(
        200,
        json!({
            "issuer": format!("{tenant}/v2.0"), "authorization_endpoint": format!("{tenant}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{tenant}/oauth2/v2.0/token"),
        }),
    )
}

/// `POST /{tenant}/oauth2/v2.0/token` with the client credentials grant.
fn token(clouds: &Clouds, call: &Call) -> Answer {
    let form = call.form();
    let mut state = clouds.state();
    if form.get("grant_type") != "client_credentials" {
        return Err(refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."));
    }
    let client = form.get("client_id");
    if client != seed::AZURE_CLIENT && !state.directory.knows(client) {
        let why = format!("Application with identifier '{client}' was not found in the directory 'acme'.");
        return Err(refusal(400, "unauthorized_client", 700016, &why));
    }
    prove(&state, &form)?;

    let scope = form.get("scope");
    let Some(resource) = scope.strip_suffix("/.default") else {
        let why =
            format!("Scope {scope} is not valid: client credential flows need /.default suffixed to the resource.");
        return Err(refusal(400, "invalid_scope", 1002012, &why));
    };
    if !is_resource(resource) {
        let why = format!("The resource principal named {resource} was not found in the tenant named acme.");
        return Err(refusal(400, "invalid_resource", 500011, &why));
    }
    let (token, life, _) = access_token(clouds, &mut state, Service::Entra, client, resource, call);
    Ok(json(200, json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})))
}

/// Whether the client is who it says, by its secret or by a cluster's word.
fn prove(state: &State, form: &Fields) -> Result<(), Response> {
    let invalid = |number, why: &str| Err(refusal(401, "invalid_client", number, why));
    match (form.opt("client_secret"), form.opt("client_assertion")) {
        (Some(seed::AZURE_SECRET), _) => Ok(()),
        (Some(seed::AZURE_EXPIRED_SECRET), _) => {
            invalid(7000222, "The provided client secret keys for app 'pullmint' are expired.")
        }
        (Some(secret), _) if is_password(state, secret, form.get("client_id")) => Ok(()),
        (Some(_), _) => invalid(7000215, "Invalid client secret provided."),
        (None, Some(assertion)) if form.get("client_assertion_type") == ASSERTION => {
            match state.federation.check(assertion, seed::AUDIENCE_ENTRA, state.now()) {
                Ok(_) => Ok(()),
                Err(Mismatch::Malformed) => invalid(50027, "Invalid JWT token. No JWT token could be parsed."),
                Err(Mismatch::Signature) => {
                    invalid(700027, "The certificate with identifier used to sign is not registered.")
                }
                Err(Mismatch::Expired) => invalid(700024, "Client assertion is not within its valid time range."),
                Err(Mismatch::Issuer(issuer)) => no_record(700211, "issuer", &issuer),
                Err(Mismatch::Audience(audience)) => no_record(700212, "audience", &audience),
                Err(Mismatch::Subject(subject)) => no_record(700213, "subject", &subject),
            }
        }
        _ => invalid(7000216, "'client_assertion', 'client_secret' or 'request' is required."),
    }
}

/// Whether the directory gave an application this password, and it has not run out.
fn is_password(state: &State, secret: &str, client: &str) -> bool {
    state.vault.open(secret, state.now()).is_ok_and(|grant| grant.audience == SIGN_IN && grant.holder == client)
}

fn no_record(number: u32, claim: &str, value: &str) -> Result<(), Response> {
    let why = format!("No matching federated identity record found for presented assertion {claim} '{value}'.");
    Err(refusal(401, "invalid_client", number, &why))
}

/// The token, its life in seconds, and its end.
fn access_token(
    clouds: &Clouds,
    state: &mut State,
    service: Service,
    client: &str,
    resource: &str,
    call: &Call,
) -> (String, i64, i64) {
    let (now, expires) = (state.now().as_second(), state.expiry(service, call, None));
    let token = clouds.sign(&json!({
        "aud": resource, "iss": format!("https://sts.windows.net/{}/", seed::AZURE_TENANT), "tid": seed::AZURE_TENANT,
        "appid": client, "sub": "CANARY-azure", "iat": now, "nbf": now, "exp": expires.as_second(), "uti": uuid(),
    }));
    state.mint(&token, Grant::new(service, client, resource, Some(expires)));
    (token, (expires.as_second() - now).max(0), expires.as_second())
}

/// Managed identity, as App Service and as the metadata service of a virtual machine speak it.
pub(crate) fn managed_identity(clouds: &Clouds, call: &Call) -> Answer {
    let query = call.query();
    let mut state = clouds.state();
    let (proof, wanted) = match call.path.as_str() {
        "/msi/token" => ("x-identity-header", seed::AZURE_IDENTITY_HEADER),
        _ => ("metadata", "true"),
    };
    if call.header(proof) != wanted {
        return Err(json(
            400,
            json!({"error": "invalid_request", "error_description": "Required metadata header not specified"}),
        ));
    }
    let known = |name: &str, id: &str| query.opt(name).is_none_or(|given| given.eq_ignore_ascii_case(id));
    let resource = query.get("resource");
    if !known("client_id", seed::AZURE_CLIENT)
        || !known("object_id", seed::AZURE_CLIENT)
        || !known("msi_res_id", seed::AZURE_IDENTITY_ID)
        || !is_resource(resource)
    {
        return Err(no_identity());
    }
    let (token, _, end) =
        access_token(clouds, &mut state, Service::ManagedIdentity, seed::AZURE_CLIENT, resource, call);
    Ok(json(
        200,
        json!({
            "access_token": token, "client_id": seed::AZURE_CLIENT, "resource": resource, "token_type": "Bearer",
            // Seconds since 1970, but in a string.
            "expires_on": end.to_string(),
        }),
    ))
}

pub(crate) fn no_identity() -> Response {
    json(400, json!({"error": "invalid_request", "error_description": "Identity not found"}))
}
