//! STS and EKS Pod Identity: where AWS sessions come from.

use std::time::Duration;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::aws::{self, Refusal, signer};
use super::call::{Answer, Call, Fields, json, with_type};
use super::federation::Mismatch;
use super::tokens::{Grant, unique, uuid};
use super::{Clouds, Place, Service, State, seed};

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
    state.aws.add(&session.key_id, &session.secret, Some(&session.token), arn);
    session
}

/// AssumeRole (signed) and AssumeRoleWithWebIdentity (not signed).
pub(crate) fn assume_role(clouds: &Clouds, place: &Place, call: &Call) -> Answer {
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
            state
                .federation
                .check(token, seed::AUDIENCE_STS, state.now())
                .map_err(|mismatch| web_identity_refusal(&mismatch))?;
            if role != seed::AWS_ROLE {
                return Err(web_identity_refusal(&Mismatch::Subject(String::new())));
            }
        }
        _ => return Err(aws::sts_error(400, "InvalidAction", "Could not find operation for this version")),
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

fn web_identity_refusal(mismatch: &Mismatch) -> Response {
    let invalid = |why: &str| aws::sts_error(400, "InvalidIdentityToken", why);
    match mismatch {
        Mismatch::Malformed => invalid("The ID Token provided is not a valid JWT."),
        Mismatch::Issuer(_) => invalid("No OpenIDConnect provider found in your account for the token's issuer"),
        Mismatch::Signature => invalid("Couldn't retrieve verification key from your identity provider"),
        Mismatch::Audience(_) => invalid("Incorrect token audience"),
        Mismatch::Expired => aws::sts_error(400, "ExpiredTokenException", "Token expired"),
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
