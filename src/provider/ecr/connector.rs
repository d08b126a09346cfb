//! The AWS SDK's transport: pullmint's HTTP client, with a witness who remembers why AWS refused.
//!
//! The SDK hides refusals of STS and of the metadata services behind several layers of errors, whose texts may quote
//! signed headers. The witness keeps what matters: which operation, which error code, how long to wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::provider::http::{Answer, Http};
use crate::provider::{MintError, Reason};

/// Remembers the last thing that went wrong on the way to AWS.
#[derive(Debug, Default)]
pub struct Witness {
    incident: Mutex<Option<Incident>>,
    asked: AtomicBool,
}

/// What went wrong.
#[derive(Debug)]
pub enum Incident {
    /// There was no whole answer.
    Silence(MintError),
    /// The answer was a refusal.
    Refusal {
        /// AWS's own code, like `AccessDenied`.
        code: Option<String>,
        /// Who was refused.
        principal: Option<String>,
        /// The status.
        status: u16,
        /// What the answer is to a client that knows nothing of AWS.
        error: MintError,
    },
}

impl Witness {
    /// Takes the incident away.
    pub fn take(&self) -> Option<Incident> {
        self.incident.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether anyone was asked at all.
    pub fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn note(&self, incident: Option<Incident>) {
        self.asked.store(true, Ordering::Relaxed);
        *self.incident.lock().unwrap_or_else(PoisonError::into_inner) = incident;
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Connector {
    http: Http,
    witness: Arc<Witness>,
    timeout: Option<Duration>,
}

impl Connector {
    /// A transport over `http` that tells `witness`.
    #[must_use]
    pub fn new(http: Http, witness: Arc<Witness>) -> Self {
        Self { http, witness, timeout: None }
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        const ATTEMPT: &str = "ask AWS";
        let mut outgoing = translate(&request).map_err(ConnectorError::user)?;
        *outgoing.timeout_mut() = self.timeout;
        match self.http.execute(ATTEMPT, outgoing).await {
            Ok(answer) => {
                self.witness.note((!answer.status.is_success()).then(|| Incident::Refusal {
                    code: code(&answer),
                    principal: principal(&answer),
                    status: answer.status.as_u16(),
                    error: answer.refusal(ATTEMPT, "allow it"),
                }));
                respond(&answer)
            }
            Err(error) => {
                let text = error.chain();
                let unreachable = error.reason == Reason::Unreachable;
                self.witness.note(Some(Incident::Silence(error)));
                Err(if unreachable { ConnectorError::io(text.into()) } else { ConnectorError::user(text.into()) })
            }
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // The metadata services are asked with short patience; an absent one must not cost a whole time-out.
        let timeout = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Self { timeout, ..self.clone() })
    }
}

fn translate(request: &HttpRequest) -> Result<reqwest::Request, Box<dyn std::error::Error + Send + Sync>> {
    let mut outgoing = reqwest::Request::new(request.method().parse()?, request.uri().parse()?);
    for (name, value) in request.headers() {
        let name: reqwest::header::HeaderName = name.parse()?;
        outgoing.headers_mut().append(name, value.parse()?);
    }
    let body = request.body().bytes().ok_or("the SDK streams a body")?;
    *outgoing.body_mut() = Some(body.to_vec().into());
    Ok(outgoing)
}

fn respond(answer: &Answer) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status.as_u16().try_into().map_err(|_| ConnectorError::user("no HTTP status".into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body.to_vec()));
    for (name, value) in &answer.headers {
        if let Ok(value) = value.to_str() {
            // A header that the SDK cannot hold is none that it needs.
            drop(response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned()));
        }
    }
    Ok(response)
}

/// AWS's error code: in a header, in JSON's `__type` or `code`, or in XML's `<Code>`.
fn code(answer: &Answer) -> Option<String> {
    let header = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let json = || ["__type", "code", "Code"].iter().find_map(|name| answer.field(name)?.as_str().map(str::to_owned));
    let xml = || {
        let (_, rest) = str::from_utf8(&answer.body).ok()?.split_once("<Code>")?;
        Some(rest.split_once("</Code>")?.0.to_owned())
    };
    let code = header.or_else(json).or_else(xml)?;
    // `namespace#Code:http://…`
    let code = code.rsplit('#').next()?.split(':').next()?.to_owned();
    // Whatever else stands there is no code, and might be anything.
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')).then_some(code)
}

/// From the text "User: arn:aws:… is not authorized to perform: …". The rest of it is for AWS's own pages.
fn principal(answer: &Answer) -> Option<String> {
    let (_, rest) = str::from_utf8(&answer.body).ok()?.split_once("User: arn:")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":/_+=,.@-".contains(c))).unwrap_or(rest.len());
    (1..200).contains(&end).then(|| format!("arn:{}", &rest[..end]))
}
