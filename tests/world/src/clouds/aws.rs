//! Who may call AWS: access keys, signatures, and the two ways in which AWS says "no" (wire formats of the AWS SDK's
//! models: the query protocol with XML for STS, JSON 1.1 for ECR).

use std::collections::HashMap;

use axum::response::Response;
use jiff::SignedDuration;
use serde_json::json;

use super::call::{Call, with_type};
use super::sigv4::Signed;
use super::tokens::{Closed, uuid};
use super::{State, seed};

/// Access keys: a user's without a session, a role's with one.
pub(crate) struct Keys(HashMap<String, Key>);

struct Key {
    secret: String,
    session: Option<String>,
    arn: String,
}

impl Keys {
    pub(crate) fn seeded() -> Self {
        let mut keys = Self(HashMap::new());
        let arn = format!("arn:aws:iam::{}:user/acme", seed::AWS_ACCOUNT);
        keys.add(seed::AWS_ACCESS_KEY_ID, seed::AWS_SECRET_ACCESS_KEY, None, arn);
        keys
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|key| key.secret.as_str())
    }

    pub(crate) fn add(&mut self, id: &str, secret: &str, session: Option<&str>, arn: String) {
        let key = Key { secret: secret.to_owned(), session: session.map(str::to_owned), arn };
        self.0.insert(id.to_owned(), key);
    }
}

/// A "no" that has one name in the query protocol and another in JSON.
pub(crate) enum Refusal {
    AccessDenied(String),
    Expired,
    Invalid(&'static str),
    Missing,
    Signature(String),
    Throttled,
    UnknownKey,
}

impl Refusal {
    fn parts(&self) -> (u16, &str, &str, &str) {
        match self {
            Self::AccessDenied(why) => (403, "AccessDenied", "AccessDeniedException", why),
            Self::Expired => {
                (403, "ExpiredToken", "ExpiredTokenException", "The security token included in the request is expired")
            }
            Self::Invalid(why) => (400, "ValidationError", "InvalidParameterException", why),
            Self::Missing => (
                403,
                "MissingAuthenticationToken",
                "MissingAuthenticationTokenException",
                "Request is missing Authentication Token",
            ),
            Self::Signature(why) => (403, "SignatureDoesNotMatch", "InvalidSignatureException", why),
            Self::Throttled => (400, "Throttling", "ThrottlingException", "Rate exceeded"),
            Self::UnknownKey => (
                403,
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
        }
    }

    pub(crate) fn xml(&self) -> Response {
        let (status, code, _, why) = self.parts();
        sts_error(status, code, why)
    }

    pub(crate) fn json(&self) -> Response {
        let (_, _, kind, why) = self.parts();
        with_type(400, "application/x-amz-json-1.1", json!({"__type": kind, "message": why}).to_string())
    }
}

pub(crate) fn sts_error(status: u16, code: &str, why: &str) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{why}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        uuid()
    );
    with_type(status, "text/xml", body)
}

/// Who signed the request: the ARN, once key, scope, time, session and signature are found good.
pub(crate) fn signer(state: &State, call: &Call, service: &str, region: Option<&str>) -> Result<String, Refusal> {
    let signed = Signed::parse(call).ok_or(Refusal::Missing)?;
    let key = state.aws.0.get(signed.key_id).ok_or(Refusal::UnknownKey)?;
    if signed.service != service || region.is_some_and(|region| region != signed.region) {
        return Err(Refusal::Signature(
            "Credential should be scoped to a valid region and correct service.".to_owned(),
        ));
    }
    let off = signed.time(call).map(|time| time.duration_since(state.now()).abs());
    if off.is_none_or(|off| off > SignedDuration::from_mins(5)) {
        return Err(Refusal::Signature(format!("Signature expired: it is now {}", state.now())));
    }
    if let Some(session) = &key.session {
        let given = call.header("x-amz-security-token");
        match state.vault.open(session, state.now()) {
            Ok(_) if given == session => {}
            Err(Closed::Expired) => return Err(Refusal::Expired),
            _ => return Err(Refusal::UnknownKey),
        }
    }
    match signed.holds(call, &key.secret) {
        true => Ok(key.arn.clone()),
        false => Err(Refusal::Signature(
            "The request signature we calculated does not match the signature you provided.".to_owned(),
        )),
    }
}
