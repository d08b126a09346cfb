//! What can be said of a credential without showing it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sync::manifest::{EXPIRES_AT, FIELD_MANAGER, MANAGED_BY};
use crate::why::keyring::Login;

/// A credential, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The Secret that holds it.
    pub secret: String,
    /// The key under which it stands.
    pub key: String,
    /// The user name.
    pub username: String,
    /// The beginning of the password's SHA-256, as in pullmint's logs.
    pub fingerprint: String,
    /// When it expires, where that can be known.
    pub expires: Option<Timestamp>,
    /// When it begins.
    pub begins: Option<Timestamp>,
    /// For whom it is, as it says itself.
    pub audience: Option<String>,
    /// Whether pullmint keeps the Secret.
    pub is_managed: bool,
    /// When the Secret's data was last written, and by whom.
    pub written: Option<(Timestamp, String)>,
}

impl Facts {
    /// Reads them off a credential and its Secret.
    #[must_use]
    pub fn of(login: &Login, secret: Option<&Secret>) -> Self {
        let password = login.password.expose_secret();
        let claims = claims(password).unwrap_or_default();
        let labels = secret.and_then(|secret| secret.metadata.labels.as_ref());
        let is_managed =
            labels.and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|manager| manager == FIELD_MANAGER);
        let annotations = secret.and_then(|secret| secret.metadata.annotations.as_ref());
        let annotated = annotations.and_then(|annotations| annotations.get(EXPIRES_AT)?.parse().ok());
        Self {
            secret: login.secret.clone(),
            key: login.key.clone(),
            username: login.username.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
            fingerprint: Sha256::digest(password).iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
            expires: claims.expires().or_else(|| ecr_end(password)).or_else(|| annotated.filter(|_| is_managed)),
            begins: claims.begins(),
            audience: claims.audience(),
            is_managed,
            written: secret.and_then(written),
        }
    }
}

/// What a token says of itself (RFC 7519). Nobody checks here whether it is true.
#[derive(Default, Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    aud: Option<Value>,
}

impl Claims {
    fn expires(&self) -> Option<Timestamp> {
        instant(self.exp?)
    }

    fn begins(&self) -> Option<Timestamp> {
        instant(self.nbf.or(self.iat)?)
    }

    fn audience(&self) -> Option<String> {
        let text =
            |value: &Value| value.as_str().map(|text| text.chars().filter(|c| !c.is_control()).take(80).collect());
        match self.aud.as_ref()? {
            Value::Array(list) => list.first().and_then(text),
            value => text(value),
        }
    }
}

fn claims(password: &str) -> Option<Claims> {
    let payload = password.starts_with("eyJ").then(|| password.split('.').nth(1))??;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and the far ends are no timestamps")]
fn instant(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.floor() as i64).ok()
}

/// ECR's passwords are JSON in Base64 that names their end.
fn ecr_end(password: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Payload {
        expiration: i64,
    }
    let json = STANDARD.decode(password).ok()?;
    Timestamp::from_second(serde_json::from_slice::<Payload>(&json).ok()?.expiration).ok()
}

fn written(secret: &Secret) -> Option<(Timestamp, String)> {
    let fields = secret.metadata.managed_fields.iter().flatten();
    let of_data =
        fields.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:data").is_some()));
    let last = of_data.filter_map(|entry| Some((entry.time.as_ref()?.0, entry.manager.clone().unwrap_or_default())));
    let created = secret.metadata.creation_timestamp.as_ref().map(|time| (time.0, String::new()));
    last.max().or(created)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::why::keyring::Location;

    fn facts(password: &str) -> Facts {
        let location = Location::docker_hub();
        let password = SecretString::from(password);
        let login = Login { secret: "s".into(), key: "k".into(), location, username: "AWS".into(), password };
        Facts::of(&login, None)
    }

    #[test]
    fn tokens_tell_their_end_and_their_audience() {
        let payload = URL_SAFE_NO_PAD.encode(json!({"exp": 1000, "nbf": 500, "aud": "acme.azurecr.io"}).to_string());
        let jwt = facts(&format!("eyJhbGciOiJub25lIn0.{payload}.c2ln"));
        assert_eq!(jwt.expires.map(Timestamp::as_second), Some(1000));
        assert_eq!(jwt.begins.map(Timestamp::as_second), Some(500));
        assert_eq!(jwt.audience.as_deref(), Some("acme.azurecr.io"));
        let ecr = facts(&STANDARD.encode(json!({"payload": "x", "expiration": 2000}).to_string()));
        assert_eq!(ecr.expires.map(Timestamp::as_second), Some(2000));
        assert_eq!(facts("hunter2").expires, None);
    }

    #[test]
    fn no_fact_is_the_password() {
        assert!(!format!("{:?}", facts("hunter2")).contains("hunter2"));
    }
}
