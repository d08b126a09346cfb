//! What the clouds have issued, and the keys they sign with.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::Service;

/// An ES256 key with a certificate, as distribution's token authentication wants it.
pub(crate) struct Signer {
    key: EncodingKey,
    header: Header,
    pub(crate) public: DecodingKey,
    pub(crate) certificate: String,
}

impl Signer {
    pub(crate) fn new(name: &str) -> Self {
        let pair = KeyPair::generate().expect("a P-256 key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&pair).expect("a certificate");
        // distribution finds the key by the certificate in the header, which must be one of its bundle.
        let mut header = Header::new(Algorithm::ES256);
        header.x5c = Some(vec![STANDARD.encode(certificate.der())]);
        Self {
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a private key"),
            public: DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).expect("a public key"),
            certificate: certificate.pem(),
            header,
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.key).expect("claims that serialize")
    }
}

/// A name for which there is no second, as clouds put into tokens and ids.
pub(crate) fn unique(prefix: &str, hex_digits: usize) -> String {
    let mut name = prefix.to_owned();
    while name.len() < prefix.len() + hex_digits {
        name.push_str(&format!("{:032x}", rand::random::<u128>()));
    }
    name.truncate(prefix.len() + hex_digits);
    name
}

/// A random UUID.
pub(crate) fn uuid() -> String {
    let hex = unique("", 32);
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// One issued credential and what it opens.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) service: Service,
    /// For whom it speaks: a role, an application, a Docker ID, an organization.
    pub(crate) holder: String,
    /// Where it counts: a region, a login server, a resource, a registry.
    pub(crate) audience: String,
    /// Which repositories it may pull: names, `prefix/*`, or `*`.
    pub(crate) reads: Vec<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) revoked: bool,
    serial: usize,
}

impl Grant {
    pub(crate) fn new(service: Service, holder: &str, audience: &str, expires: Option<Timestamp>) -> Self {
        let (holder, audience) = (holder.to_owned(), audience.to_owned());
        Self { service, holder, audience, reads: Vec::new(), expires, revoked: false, serial: 0 }
    }

    pub(crate) fn reading(mut self, reads: Vec<String>) -> Self {
        self.reads = reads;
        self
    }

    pub(crate) fn may_read(&self, repository: &str) -> bool {
        self.reads.iter().any(|pattern| covers(pattern, repository))
    }
}

/// Whether a pattern of repositories (`a/b`, `a/*`, `*`) covers a name.
pub(crate) fn covers(pattern: &str, repository: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => repository.starts_with(prefix),
        None => pattern == repository,
    }
}

/// Why a secret opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Never issued, or revoked.
    Unknown,
    Expired,
}

/// All that was ever issued, by its secret. A signed token is looked up here like an opaque one: what was not
/// issued is not known, so no signature of our own has ever to be checked.
#[derive(Default)]
pub(crate) struct Vault(HashMap<String, Grant>);

impl Vault {
    pub(crate) fn keep(&mut self, secret: &str, mut grant: Grant) {
        grant.serial = self.0.len();
        self.0.insert(secret.to_owned(), grant);
    }

    pub(crate) fn open(&self, secret: &str, now: Timestamp) -> Result<&Grant, Closed> {
        match self.0.get(secret) {
            Some(grant) if grant.revoked => Err(Closed::Unknown),
            Some(grant) if grant.expires.is_some_and(|end| end <= now) => Err(Closed::Expired),
            Some(grant) => Ok(grant),
            None => Err(Closed::Unknown),
        }
    }

    pub(crate) fn get_mut(&mut self, secret: &str) -> Option<&mut Grant> {
        self.0.get_mut(secret)
    }

    pub(crate) fn of_mut(&mut self, service: Service) -> impl Iterator<Item = &mut Grant> {
        self.0.values_mut().filter(move |grant| grant.service == service)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The secrets of a service, in the order they were issued.
    pub(crate) fn secrets(&self, service: Service) -> Vec<String> {
        let mut issued: Vec<_> = self.0.iter().filter(|(_, grant)| grant.service == service).collect();
        issued.sort_by_key(|(_, grant)| grant.serial);
        issued.into_iter().map(|(secret, _)| secret.clone()).collect()
    }
}

/// One `repository:NAME:ACTIONS` of a registry token request; other resource types are no use here.
pub(crate) fn repository_scope(scope: &str) -> Option<(&str, Vec<&str>)> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    Some((name, actions.split(',').collect()))
}

/// Claims as distribution reads them (distribution's token specification).
pub(crate) fn registry_claims(issuer: &str, service: &str, access: &Value, from: Timestamp, to: Timestamp) -> Value {
    json!({
        "iss": issuer, "sub": "world", "aud": service, "access": access, "jti": uuid(),
        "iat": from.as_second(), "nbf": from.as_second(), "exp": to.as_second(),
    })
}
