//! One request as an emulated service sees it, and the few shapes its answers have.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// A service's answer; a refusal is an answer too, and takes the short way out with `?`.
pub(crate) type Answer = Result<Response, Response>;

/// A request, read whole. Nothing an emulated service accepts is large.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) host: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What this call mints has expired already.
    pub(crate) stale: bool,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The fields of the form in the body.
    pub(crate) fn form(&self) -> Fields {
        Fields::parse(&self.body)
    }

    /// The fields of the query.
    pub(crate) fn query(&self) -> Fields {
        Fields::parse(self.query.as_bytes())
    }

    /// The body as JSON; `null` if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }

    /// User and password of a Basic authorization.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization").strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }
}

/// Form or query fields, in order: `scope` may stand there more than once.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(crate) fn opt(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.opt(name).unwrap_or_default()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// JSON under a status.
#[allow(clippy::needless_pass_by_value, reason = "`json!` is written in place")]
pub(crate) fn json(status: u16, body: Value) -> Response {
    with_type(status, "application/json", body.to_string())
}

/// Text of any media type under a status.
pub(crate) fn with_type(status: u16, media: &'static str, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status code");
    (status, [(header::CONTENT_TYPE, media)], Body::from(body)).into_response()
}

/// The error shape of the distribution specification, which ACR, ECR and Docker Hub's registry share.
pub(crate) fn registry_error(status: u16, code: &str, message: &str) -> Response {
    json(status, json!({"errors": [{"code": code, "message": message}]}))
}

/// Adds a header to an answer.
#[allow(clippy::needless_pass_by_value, reason = "numbers and texts are written in place")]
pub(crate) fn and_header(mut answer: Response, name: &'static str, value: impl ToString) -> Response {
    let value = value.to_string().parse().expect("a header value");
    answer.headers_mut().insert(name, value);
    answer
}
