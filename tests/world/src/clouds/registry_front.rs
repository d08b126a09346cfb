//! The registries' own hosts: each checks a credential as that registry does, and passes what it lets through on to
//! one real registry, where a host's repositories lie under the host's name.

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::call::{Answer, Call, and_header, json, registry_error};
use super::docker_hub::REGISTRY as HUB;
use super::ecr::expired_or_invalid;
use super::tokens::Closed;
use super::{Clouds, Place, Service, State};

/// The client that fetches from the real registry.
pub(super) type Upstream = Client<HttpConnector, Body>;

pub(super) fn upstream() -> Upstream {
    Client::builder(TokioExecutor::new()).build_http()
}

/// `/v2/NAME/{manifests,blobs,tags}/REST`
struct Wanted<'a> {
    repository: &'a str,
    rest: &'a str,
}

impl<'a> Wanted<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v2/")?;
        let end = ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|kind| path.rfind(kind))?;
        Some(Self { repository: &path[..end], rest: &path[end..] })
    }
}

/// Serves a pull at a registry's host.
pub(crate) async fn pull(clouds: &Clouds, place: &Place, call: &Call) -> Answer {
    let wanted = Wanted::parse(&call.path);
    let (limits, registry) = {
        let mut state = clouds.state();
        match place {
            Place::EcrRegistry { account, region } => check_basic(&state, call, account, region, wanted.as_ref())?,
            _ => check_bearer(&state, place, call, wanted.as_ref())?,
        }
        if !matches!(call.method.as_str(), "GET" | "HEAD") {
            return Err(registry_error(403, "DENIED", "requested access to the resource is denied"));
        }
        let limits = match (place, &wanted) {
            (Place::HubRegistry, Some(wanted)) => Some(count_pull(&mut state, call, wanted)?),
            _ => None,
        };
        (limits, state.registry.clone())
    };
    let answer = match wanted {
        None if call.path.trim_end_matches('/') == "/v2" => json(200, json!({})),
        None => return Err(registry_error(404, "UNSUPPORTED", "The operation is unsupported.")),
        // Docker's probe for the pull limit is a repository of its own, with no image that matters.
        Some(wanted) if limits.is_some() && wanted.repository == "ratelimitpreview/test" => json(200, json!({})),
        Some(wanted) => match registry {
            Some(registry) => fetch(clouds, place, call, &registry, &wanted).await?,
            None => registry_error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        },
    };
    let answer = and_header(answer, "docker-distribution-api-version", "registry/2.0");
    Ok(limits.into_iter().fold(answer, |answer, (limit, left)| {
        let answer = and_header(answer, "ratelimit-limit", format!("{limit};w=21600"));
        let answer = and_header(answer, "ratelimit-remaining", format!("{left};w=21600"));
        and_header(answer, "docker-ratelimit-source", "192.0.2.1")
    }))
}

/// ECR takes its tokens as Basic passwords, in their own region only.
fn check_basic(
    state: &State,
    call: &Call,
    account: &str,
    region: &str,
    wanted: Option<&Wanted<'_>>,
) -> Result<(), Response> {
    let Some((user, password)) = call.basic() else {
        let challenge = format!("Basic realm=\"https://{}/\",service=\"ecr.amazonaws.com\"", call.host);
        let answer = and_header(json(401, json!("Not Authorized")), "www-authenticate", challenge);
        return Err(answer);
    };
    let grant = state.vault.open(&password, state.now()).map_err(|closed| expired_or_invalid(Some(closed)))?;
    if user != "AWS" || grant.service != Service::Ecr || grant.audience != region {
        return Err(expired_or_invalid(None));
    }
    // Without a repository there is nothing that a policy could deny.
    let Some(Wanted { repository, .. }) = wanted else { return Ok(()) };
    if !grant.may_read(&format!("{account}/{repository}")) {
        let why = format!(
            "User: {} is not authorized to perform: ecr:BatchGetImage on resource: \
             arn:aws:ecr:{region}:{account}:repository/{repository} because no resource-based policy allows the \
             ecr:BatchGetImage action",
            grant.holder
        );
        return Err(registry_error(403, "DENIED", &why));
    }
    Ok(())
}

/// The others take bearers of their own token services.
fn check_bearer(state: &State, place: &Place, call: &Call, wanted: Option<&Wanted<'_>>) -> Result<(), Response> {
    let (service, audience, realm) = match place {
        Place::Acr(server) => (Service::AcrToken, server.as_str(), format!("https://{server}/oauth2/token")),
        Place::EcrPublic => (Service::EcrPublicToken, "public.ecr.aws", "https://public.ecr.aws/token/".to_owned()),
        _ => (Service::HubToken, HUB, "https://auth.docker.io/token".to_owned()),
    };
    let error = match state.vault.open(call.bearer().unwrap_or_default(), state.now()) {
        Ok(grant) if grant.service == service && grant.audience == audience => match wanted {
            Some(wanted) if !grant.may_read(wanted.repository) => "insufficient_scope",
            _ => return Ok(()),
        },
        // ECR Public alone gives no challenge here.
        Err(Closed::Expired) if service == Service::EcrPublicToken => {
            return Err(registry_error(
                400,
                "DENIED",
                "Your authorization token has expired. Reauthenticate and try again.",
            ));
        }
        _ if call.bearer().is_some() => "invalid_token",
        _ => "",
    };
    let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{audience}\"");
    if let Some(wanted) = wanted {
        challenge += &format!(",scope=\"repository:{}:pull\"", wanted.repository);
    }
    if !error.is_empty() {
        challenge += &format!(",error=\"{error}\"");
    }
    Err(and_header(registry_error(401, "UNAUTHORIZED", "authentication required"), "www-authenticate", challenge))
}

/// Counts a GET of a manifest against Docker Hub's pull limit; HEAD only asks. Returns the limit and what is left.
fn count_pull(state: &mut State, call: &Call, wanted: &Wanted<'_>) -> Result<(u64, u64), Response> {
    let hub = &mut state.hub;
    if call.method == "GET" && wanted.rest.starts_with("/manifests/") {
        if hub.pulls >= hub.pull_limit {
            let why = "You have reached your pull rate limit.";
            return Err(registry_error(429, "TOOMANYREQUESTS", why));
        }
        hub.pulls += 1;
    }
    Ok((hub.pull_limit, hub.pull_limit.saturating_sub(hub.pulls)))
}

/// Gets from the real registry what the caller may have, with a bearer of our own.
async fn fetch(clouds: &Clouds, place: &Place, call: &Call, registry: &str, wanted: &Wanted<'_>) -> Answer {
    let name = format!("{}/{}", place.shelf().unwrap_or_default(), wanted.repository);
    let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
    let bearer = clouds.admin_bearer(&format!("repository:{name}:pull"));
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(format!("{registry}/v2/{name}{}{query}", wanted.rest))
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    for name in [header::ACCEPT, header::RANGE, header::IF_NONE_MATCH] {
        for value in call.headers.get_all(&name) {
            request = request.header(&name, value);
        }
    }
    let request = request.body(Body::empty()).expect("a request");
    let answer = clouds.0.upstream.request(request).await;
    let mut answer = answer.map_err(|error| registry_error(502, "UNAVAILABLE", &error.to_string()))?.map(Body::new);
    // The real registry's own challenge would lead the client nowhere.
    answer.headers_mut().remove(header::WWW_AUTHENTICATE);
    answer.headers_mut().entry(header::SERVER).or_insert(HeaderValue::from_static("world"));
    Ok(answer)
}
