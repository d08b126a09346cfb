//! What can go wrong with a service, on demand.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::json;

use super::Service;
use super::call::{Call, and_header, json, registry_error, with_type};
use super::{aws, azure};

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The cloud's own "no": the caller is known and lacks the right.
    Deny,
    /// Too many requests, in the cloud's own words; the time is when to come back.
    Throttle(Duration),
    /// No answer, ever.
    Hang,
    /// The connection ends before any answer.
    Reset,
    /// This status, with a proxy's page as body.
    Status(u16),
    /// 200, but a web page.
    Garbage,
    /// The right answer, but the connection ends in the middle of it.
    Truncated,
    /// 200, and a body without end.
    Huge,
    /// 400, and all that was sent, wherever an error may say something: what a client repeats of it, it leaks.
    Echo,
    /// Served as always, but what is minted has expired a minute ago.
    Expired,
}

/// What lies ahead for each service: faults, and how often they are still to come.
#[derive(Default)]
pub(super) struct Plan(HashMap<Service, VecDeque<(Fault, Option<u32>)>>);

impl Plan {
    pub(super) fn always(&mut self, service: Service, fault: Fault) {
        self.0.insert(service, [(fault, None)].into());
    }

    pub(super) fn times(&mut self, service: Service, times: u32, fault: Fault) {
        if times > 0 {
            self.0.entry(service).or_default().push_back((fault, Some(times)));
        }
    }

    pub(super) fn clear(&mut self, service: Service) {
        self.0.remove(&service);
    }

    /// The fault that this request meets.
    pub(super) fn next(&mut self, service: Service) -> Option<Fault> {
        let queue = self.0.get_mut(&service)?;
        let (fault, left) = queue.front_mut()?;
        let fault = *fault;
        if let Some(left) = left {
            *left -= 1;
            if *left == 0 {
                queue.pop_front();
            }
        }
        Some(fault)
    }
}

impl Fault {
    /// Whether the service itself is not asked at all.
    pub(super) fn answers(self) -> bool {
        !matches!(self, Self::Truncated | Self::Expired | Self::Echo)
    }

    /// What comes instead of the service's answer; `None` ends the connection.
    pub(super) async fn answer(self, service: Service, now: Timestamp) -> Option<Response> {
        const PAGE: &str = "<html><body>The gateway is having a moment.</body></html>";
        Some(match self {
            Self::Deny => denied(service),
            Self::Throttle(wait) => throttled(service, wait, now),
            Self::Hang => pending().await,
            Self::Status(status) => with_type(status, "text/html", PAGE.to_owned()),
            Self::Garbage => with_type(200, "text/html", PAGE.to_owned()),
            Self::Huge => huge(),
            Self::Reset | Self::Truncated | Self::Expired | Self::Echo => return None,
        })
    }
}

fn denied(service: Service) -> Response {
    const WHO: &str = "User: arn:aws:sts::123456789012:assumed-role/pullmint/pullmint";
    let unauthorized = |action: &str| format!("{WHO} is not authorized to perform: {action} on resource: *");
    match service {
        Service::Sts => aws::Refusal::AccessDenied(unauthorized("sts:AssumeRole")).xml(),
        Service::Ecr => aws::Refusal::AccessDenied(unauthorized("ecr:GetAuthorizationToken")).json(),
        Service::EcrPublic => aws::Refusal::AccessDenied(unauthorized("ecr-public:GetAuthorizationToken")).json(),
        Service::PodIdentity => json(400, json!({"message": "(AccessDeniedException): Unauthorized Exception"})),
        Service::Entra => azure::refusal(401, "unauthorized_client", 7000112, "Application 'pullmint' is disabled."),
        Service::ManagedIdentity => azure::no_identity(),
        Service::HubLogin => json(401, json!({"message": "incorrect username or password", "errinfo": {}})),
        Service::HubTokens => json(403, json!({"detail": "permission denied", "message": "permission denied"})),
        Service::HubOidc => {
            json(403, json!({"error": "access_denied", "error_description": "access denied by the connection's rules"}))
        }
        Service::HubToken => json(401, json!({"details": "incorrect username or password"})),
        Service::AcrExchange | Service::AcrToken => super::acr::unauthorized(),
        _ => registry_error(403, "DENIED", "requested access to the resource is denied"),
    }
}

fn throttled(service: Service, wait: Duration, now: Timestamp) -> Response {
    let seconds = wait.as_secs();
    match service {
        Service::Sts => and_header(aws::Refusal::Throttled.xml(), "retry-after", seconds),
        Service::Ecr | Service::EcrPublic => and_header(aws::Refusal::Throttled.json(), "retry-after", seconds),
        Service::HubLogin | Service::HubTokens => {
            // A point in time, not a span (Docker Hub's API reference).
            let reset = now.as_second() + wait.as_secs().cast_signed();
            let answer = json(429, json!({"detail": "Rate limit exceeded", "error": false}));
            let answer = and_header(and_header(answer, "x-ratelimit-limit", 180), "x-ratelimit-remaining", 0);
            and_header(and_header(answer, "x-ratelimit-reset", reset), "x-retry-after", reset)
        }
        Service::Entra => {
            let answer = azure::refusal(429, "temporarily_unavailable", 90055, "The server is busy.");
            and_header(answer, "retry-after", seconds)
        }
        _ => and_header(registry_error(429, "TOOMANYREQUESTS", "too many requests"), "retry-after", seconds),
    }
}

/// The request, in the fields of everybody's errors.
pub(super) fn echo(call: &Call) -> Response {
    let body = String::from_utf8_lossy(&call.body);
    let headers: Vec<_> = call.headers.keys().map(|name| format!("{name}: {}", call.header(name.as_str()))).collect();
    let said = format!("{} {}?{} {} {body}", call.method, call.path, call.query, headers.join(" "));
    json(
        400,
        json!({
            "error": said, "error_description": said, "message": said, "Message": said, "detail": said, "details": said,
            "text": said, "__type": said, "code": said, "errors": [{"code": said, "message": said, "detail": said}],
            "login_2fa_token": said,
        }),
    )
}

/// Begins like any token answer, so that a client which reads to the end never comes there.
fn huge() -> Response {
    let head = stream::once(async { Bytes::from_static(br#"{"access_token":""#) });
    let flood = stream::repeat(Bytes::from_static(&[b'A'; 16 * 1024]));
    let body = Body::from_stream(head.chain(flood).map(Ok::<_, std::io::Error>));
    Response::builder().header("content-type", "application/json").body(body).expect("a response")
}

/// Announces the whole body and sends half of it.
pub(super) async fn truncate(answer: Response) -> Response {
    let (mut head, body) = answer.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    head.headers.insert("content-length", whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let torn = stream::iter([Ok(half), Err(std::io::Error::other("torn"))]);
    // Given at once, both would be dropped together: the half must reach the wire before the end does.
    let torn = torn.then(|part| async {
        if part.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        part
    });
    Response::from_parts(head, Body::from_stream(torn))
}
