//! Trust in clusters: checks service-account tokens as AWS, Entra and Docker do, by issuer, signature, audience,
//! time and subject.

use std::collections::{HashMap, HashSet};
use std::io;

use jiff::Timestamp;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

use super::seed;

/// Which issuers and subjects count.
pub(crate) struct Federation {
    issuers: HashMap<String, DecodingKey>,
    subjects: HashSet<String>,
}

/// Why a token does not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Malformed,
    Issuer(String),
    Signature,
    Audience(String),
    Expired,
    Subject(String),
}

impl Federation {
    pub(crate) fn new(issuer: &str, key: DecodingKey) -> Self {
        Self { issuers: [(issuer.to_owned(), key)].into(), subjects: [seed::SUBJECT.to_owned()].into() }
    }

    pub(crate) fn trust(&mut self, issuer: &str, public_key: &str) -> io::Result<()> {
        let key = DecodingKey::from_rsa_pem(public_key.as_bytes())
            .or_else(|_| DecodingKey::from_ec_pem(public_key.as_bytes()))
            .map_err(io::Error::other)?;
        self.issuers.insert(issuer.to_owned(), key);
        Ok(())
    }

    pub(crate) fn trust_subject(&mut self, subject: &str) {
        self.subjects.insert(subject.to_owned());
    }

    /// The subject of a token that counts for an audience now.
    pub(crate) fn check(&self, token: &str, audience: &str, now: Timestamp) -> Result<String, Mismatch> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Mismatch::Malformed)?;
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Mismatch::Malformed)?;
        let issuer = claims["iss"].as_str().unwrap_or_default();
        let key = self.issuers.get(issuer).ok_or_else(|| Mismatch::Issuer(issuer.to_owned()))?;
        // Time and audience are checked below: by the clouds' own clock, and with each cloud's own words.
        let mut signature = Validation::new(header.alg);
        signature.validate_exp = false;
        signature.validate_aud = false;
        signature.required_spec_claims.clear();
        jsonwebtoken::decode::<Value>(token, key, &signature).map_err(|_| Mismatch::Signature)?;

        let audiences = &claims["aud"];
        if audiences != audience && !audiences.as_array().is_some_and(|all| all.iter().any(|one| one == audience)) {
            return Err(Mismatch::Audience(audiences.to_string()));
        }
        if claims["exp"].as_i64().is_none_or(|end| end <= now.as_second()) {
            return Err(Mismatch::Expired);
        }
        let subject = claims["sub"].as_str().unwrap_or_default();
        match self.subjects.contains(subject) {
            true => Ok(subject.to_owned()),
            false => Err(Mismatch::Subject(subject.to_owned())),
        }
    }
}
