//! AWS: STS, EKS Pod Identity, ECR and ECR Public (wire formats of the AWS SDK's models: the query protocol with XML
//! for STS, JSON 1.1 for ECR).

use std::collections::HashMap;
use std::time::Duration;

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::{Answer, Call, Fields, json, registry_error, with_type};
use super::docker_hub::bearer_answer;
use super::federation::Mismatch;
use super::sigv4::Signed;
use super::tokens::{Closed, Grant, unique, uuid};
use super::{Clouds, Place, Service, State, seed};

/// Access keys: a user's without a session, a role's with one.
pub(crate) struct Keys(HashMap<String, Key>);

struct Key {
    secret: String,
    session: Option<String>,
    arn: String,
}

impl Keys {
    pub fn seeded() -> Self {
        let user = Key {
            secret: seed::AWS_SECRET_ACCESS_KEY.to_owned(),
            session: None,
            arn: format!("arn:aws:iam::{}:user/acme", seed::AWS_ACCOUNT),
        };
        Self([(seed::AWS_ACCESS_KEY_ID.to_owned(), user)].into())
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

    pub fn xml(&self) -> Response {
        let (status, code, _, why) = self.parts();
        sts_error(status, code, why)
    }

    pub fn json(&self) -> Response {
        let (_, _, kind, why) = self.parts();
        with_type(400, "application/x-amz-json-1.1", json!({"__type": kind, "message": why}).to_string())
    }
}

fn sts_error(status: u16, code: &str, why: &str) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{why}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        uuid()
    );
    with_type(status, "text/xml", body)
}

/// Who signed the request: the ARN, once key, scope, time, session and signature are found good.
fn signer(state: &State, call: &Call, service: &str, region: Option<&str>) -> Result<String, Refusal> {
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

struct Session {
    key_id: String,
    secret: String,
    token: String,
    expires: Timestamp,
}

fn session(
    state: &mut State,
    service: Service,
    role: &str,
    name: &str,
    call: &Call,
    asked: Option<Duration>,
) -> Session {
    let session = Session {
        key_id: unique("ASIACANARY", 10).to_uppercase(),
        secret: unique("CANARY/", 33),
        token: unique("CANARY-aws-session-", 300),
        expires: state.expiry(service, call, asked),
    };
    state.mint(&session.token, Grant::new(service, role, "aws", Some(session.expires)));
    let arn = format!("{}/{name}", role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/"));
    let key = Key { secret: session.secret.clone(), session: Some(session.token.clone()), arn };
    state.aws.0.insert(session.key_id.clone(), key);
    session
}

/// AssumeRole (signed) and AssumeRoleWithWebIdentity (not signed).
pub(crate) fn sts(clouds: &Clouds, place: &Place, call: &Call) -> Answer {
    let form = call.form();
    let mut state = clouds.state();
    let role = form.get("RoleArn");
    let action = form.get("Action");
    match action {
        "AssumeRole" => {
            let region = match place {
                Place::Sts(region) => Some(region.as_deref().unwrap_or("us-east-1")),
                _ => None,
            };
            let caller = signer(&state, call, "sts", region).map_err(|refusal| refusal.xml())?;
            let wanted = match role {
                seed::AWS_ROLE => None,
                seed::AWS_SECOND_ROLE => Some(seed::AWS_EXTERNAL_ID),
                _ => return Err(not_authorized(&caller, action, role)),
            };
            if wanted.is_some() && form.opt("ExternalId") != wanted {
                return Err(not_authorized(&caller, action, role));
            }
        }
        "AssumeRoleWithWebIdentity" => {
            let token = form.get("WebIdentityToken");
            state.federation.check(token, seed::AUDIENCE_STS, state.now()).map_err(web_identity_refusal)?;
            if role != seed::AWS_ROLE {
                return Err(web_identity_refusal(Mismatch::Subject(String::new())));
            }
        }
        _ => return Err(sts_error(400, "InvalidAction", "Could not find operation for this version")),
    }
    let name = form.get("RoleSessionName");
    if name.len() < 2 {
        return Err(Refusal::Invalid("roleSessionName must have length greater than or equal to 2").xml());
    }
    let asked = session_length(&form)?;
    let session = session(&mut state, Service::Sts, role, name, call, asked);
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>{role}/{name}</Arn><AssumedRoleId>AROACANARY:{name}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        session.key_id,
        session.secret,
        session.token,
        session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        uuid()
    );
    Ok(with_type(200, "text/xml", body))
}

fn session_length(form: &Fields) -> Result<Option<Duration>, Response> {
    let Some(asked) = form.opt("DurationSeconds") else { return Ok(None) };
    match asked.parse() {
        Ok(seconds @ 900..=43_200) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Refusal::Invalid("durationSeconds must be between 900 and 43200").xml()),
    }
}

fn not_authorized(caller: &str, action: &str, role: &str) -> Response {
    let why = format!("User: {caller} is not authorized to perform: sts:{action} on resource: {role}");
    Refusal::AccessDenied(why).xml()
}

fn web_identity_refusal(mismatch: Mismatch) -> Response {
    let invalid = |why: &str| sts_error(400, "InvalidIdentityToken", why);
    match mismatch {
        Mismatch::Malformed => invalid("The ID Token provided is not a valid JWT."),
        Mismatch::Issuer(_) => invalid("No OpenIDConnect provider found in your account for the token's issuer"),
        Mismatch::Signature => invalid("Couldn't retrieve verification key from your identity provider"),
        Mismatch::Audience(_) => invalid("Incorrect token audience"),
        Mismatch::Expired => sts_error(400, "ExpiredTokenException", "Token expired"),
        Mismatch::Subject(_) => {
            Refusal::AccessDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned()).xml()
        }
    }
}

/// The EKS Pod Identity Agent: the projected token comes raw in `Authorization`.
pub(crate) fn pod_identity(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    let token = call.header("authorization");
    state.federation.check(token, seed::AUDIENCE_POD_IDENTITY, state.now()).map_err(|mismatch| {
        json(400, json!({"message": format!("(InvalidTokenException): service account token: {mismatch:?}")}))
    })?;
    let session = session(&mut state, Service::PodIdentity, seed::AWS_ROLE, "eks-pullmint", call, None);
    Ok(json(
        200,
        json!({
            "AccessKeyId": session.key_id, "SecretAccessKey": session.secret, "Token": session.token,
            "AccountId": seed::AWS_ACCOUNT, "Expiration": session.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }),
    ))
}

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
pub(crate) fn ecr(clouds: &Clouds, place: &Place, call: &Call) -> Answer {
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
pub(crate) fn ecr_public(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
    target(call, "SpencerFrontendService.GetAuthorizationToken")?;
    let arn = signer(&state, call, "ecr-public", Some("us-east-1")).map_err(|refusal| refusal.json())?;
    let data = authorization(&mut state, Service::EcrPublic, call, &arn, "public.ecr.aws", vec!["*".to_owned()]);
    Ok(with_type(200, "application/x-amz-json-1.1", json!({"authorizationData": data}).to_string()))
}

/// ECR Public's registry token endpoint; anonymous callers are welcome, expired ones are not.
pub(crate) fn public_registry_token(clouds: &Clouds, call: &Call) -> Answer {
    let mut state = clouds.state();
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
