//! ECR and ECR Public: GetAuthorizationToken (JSON 1.1), and the registry tokens of ECR Public.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::aws::signer;
use super::call::{Answer, Call, registry_error, with_type};
use super::docker_hub::bearer_answer;
use super::sigv4::Signed;
use super::tokens::{Closed, Grant, unique};
use super::{Clouds, Place, Service, State, seed};

fn target(call: &Call, wanted: &str) -> Result<(), Response> {
    match call.header("x-amz-target") == wanted {
        true => Ok(()),
        false => {
            Err(with_type(400, "application/x-amz-json-1.1", r#"{"__type":"UnknownOperationException"}"#.to_owned()))
        }
    }
}

/// Mints `AWS:PASSWORD` and its `expiresAt`, in seconds with a fraction as ECR gives it.
fn authorization(
    state: &mut State,
    service: Service,
    call: &Call,
    arn: &str,
    region: &str,
    reads: Vec<String>,
) -> Value {
    // As long as a real one, which is no short string.
    let password = unique("CANARY-ecr-", 1500);
    let expires = state.expiry(service, call, None);
    state.mint(&password, Grant::new(service, arn, region, Some(expires)).reading(reads));
    json!({
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        "expiresAt": expires.as_millisecond() as f64 / 1000.0,
    })
}

/// `AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken`
pub(crate) fn private(clouds: &Clouds, place: &Place, call: &Call) -> Answer {
    let mut state = clouds.state();
    target(call, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")?;
    let region = match place {
        Place::Ecr(region) => Some(region.as_str()),
        _ => None,
    };
    let arn = signer(&state, call, "ecr", region).map_err(|refusal| refusal.json())?;
    let region = Signed::parse(call).map(|signed| signed.region.to_owned()).unwrap_or_default();
    // The second account's repositories have a policy that lets the first one pull.
    let reads = [seed::AWS_ACCOUNT, seed::AWS_SECOND_ACCOUNT].map(|account| format!("{account}/*")).to_vec();
    let account = arn.split(':').nth(4).unwrap_or(seed::AWS_ACCOUNT);
    let mut data = authorization(&mut state, Service::Ecr, call, &arn, &region, reads);
    data["proxyEndpoint"] = format!("https://{account}.dkr.ecr.{region}.amazonaws.com").into();
    Ok(with_type(200, "application/x-amz-json-1.1", json!({"authorizationData": [data]}).to_string()))
}

/// `SpencerFrontendService.GetAuthorizationToken`: us-east-1 only, and one object instead of a list.
pub(crate) fn public(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    target(call, "SpencerFrontendService.GetAuthorizationToken")?;
    let arn = signer(&state, call, "ecr-public", Some("us-east-1")).map_err(|refusal| refusal.json())?;
    let data = authorization(&mut state, Service::EcrPublic, call, &arn, "public.ecr.aws", vec!["*".to_owned()]);
    Ok(with_type(200, "application/x-amz-json-1.1", json!({"authorizationData": data}).to_string()))
}

/// ECR Public's registry token endpoint; anonymous callers are welcome, expired ones are not.
pub(crate) fn public_registry_token(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    if call.method != "GET" {
        // Clients that begin with POST come again with GET and Basic.
        return Err(registry_error(405, "UNSUPPORTED", "The operation is unsupported."));
    }
    if let Some((user, password)) = call.basic() {
        let open = state.vault.open(&password, state.now());
        if user != "AWS" || !open.is_ok_and(|grant| grant.service == Service::EcrPublic) {
            return Err(expired_or_invalid(open.err()));
        }
    }
    let names: Vec<_> = call.query().all("scope").filter_map(repository_name).collect();
    Ok(bearer_answer(clouds, &mut state, Service::EcrPublicToken, "public.ecr.aws", "AWS", names, call))
}

fn repository_name(scope: &str) -> Option<String> {
    super::tokens::repository_scope(scope).map(|(name, _)| name.to_owned())
}

/// How ECR refuses a password (wording as containerd users report it).
pub(crate) fn expired_or_invalid(closed: Option<Closed>) -> Response {
    let why = match closed {
        Some(Closed::Expired) => "Your authorization token has expired. Reauthenticate and try again.",
        _ => "Your Authorization Token is invalid.",
    };
    registry_error(403, "DENIED", why)
}
