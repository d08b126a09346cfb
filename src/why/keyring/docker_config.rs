//! The entries of a Docker configuration, and what the kubelet cannot read in one.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;

use super::json::{self, Json};

/// One entry under `auths`.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// What the kubelet cannot read. It tells places, never contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON.
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in bytes.
        column: usize,
    },
    /// It is JSON of another form.
    Form(String),
    /// An entry's `auth` is no Base64.
    Base64 {
        /// The entry's key.
        key: String,
    },
    /// An entry's `auth` is no `username:password`.
    NoColon {
        /// The entry's key.
        key: String,
    },
}

/// The content of `.dockerconfigjson`.
pub(super) fn docker_config_json(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for (name, value) in fields(read(bytes)?, "the file")? {
        if json::is_field(&name, "auths") {
            match value {
                // As if nothing had been said before.
                Json::Null => entries.clear(),
                value => merge(&mut entries, auths(value)?),
            }
        } else if json::is_field(&name, "httpheaders") {
            for (header, value) in fields(value, "`HttpHeaders`")? {
                string(value, || format!("the header {header:?}"))?;
            }
        }
    }
    Ok(entries)
}

/// The content of `.dockercfg`: what is under `auths` otherwise.
pub(super) fn dockercfg(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    merge(&mut entries, auths(read(bytes)?)?);
    Ok(entries)
}

/// Whether a `.dockerconfigjson` leaves its credentials to helper programs.
pub(super) fn has_helpers(bytes: &[u8]) -> bool {
    let Ok(Json::Object(fields)) = json::read(bytes) else { return false };
    fields.iter().any(|(name, _)| name == "credsStore" || name == "credHelpers")
}

fn read(bytes: &[u8]) -> Result<Json, Fault> {
    json::read(bytes).map_err(|at| {
        let before = &bytes[..at.min(bytes.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Fault::Syntax { line, column: before.len() - line_start + 1 }
    })
}

fn auths(value: Json) -> Result<Vec<Entry>, Fault> {
    fields(value, "`auths`")?.into_iter().map(|(key, value)| entry(key, value)).collect()
}

/// A key that comes again replaces the one before.
fn merge(entries: &mut Vec<Entry>, more: Vec<Entry>) {
    for entry in more {
        entries.retain(|other| other.key != entry.key);
        entries.push(entry);
    }
}

fn entry(key: String, value: Json) -> Result<Entry, Fault> {
    let (mut username, mut password, mut auth) = (String::new(), String::new(), String::new());
    for (name, value) in fields(value, &format!("the entry {key:?}"))? {
        for (wanted, place) in [("username", Some(&mut username)), ("password", Some(&mut password)), ("email", None)] {
            if json::is_field(&name, wanted) {
                let text = string(value.clone(), || format!("`{wanted}` of the entry {key:?}"))?;
                if let (Some(place), Some(text)) = (place, text) {
                    *place = text;
                }
            }
        }
        if json::is_field(&name, "auth")
            && let Some(text) = string(value, || format!("`auth` of the entry {key:?}"))?
        {
            auth = text;
        }
    }
    if !auth.is_empty() {
        let decoded = decode(&auth).ok_or_else(|| Fault::Base64 { key: key.clone() })?;
        let colon = decoded.iter().position(|byte| *byte == b':').ok_or_else(|| Fault::NoColon { key: key.clone() })?;
        username = json::text(&decoded[..colon]);
        password = json::text(&decoded[colon + 1..]);
    }
    Ok(Entry { key, username, password: SecretString::from(password) })
}

/// Base64 with or without padding; line breaks are passed over.
fn decode(auth: &str) -> Option<Vec<u8>> {
    let is_padded = auth.trim_end().ends_with('=');
    let padding = if is_padded { DecodePaddingMode::RequireCanonical } else { DecodePaddingMode::RequireNone };
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
    let text: String = auth.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    GeneralPurpose::new(&STANDARD, config).decode(text).ok()
}

fn fields(value: Json, what: &str) -> Result<Vec<(String, Json)>, Fault> {
    match value {
        Json::Object(fields) => Ok(fields),
        Json::Null => Ok(Vec::new()),
        Json::Text(_) | Json::Other => Err(Fault::Form(format!("{what} must be an object"))),
    }
}

fn string(value: Json, what: impl FnOnce() -> String) -> Result<Option<String>, Fault> {
    match value {
        Json::Text(text) => Ok(Some(text)),
        Json::Null => Ok(None),
        Json::Object(_) | Json::Other => Err(Fault::Form(format!("{} must be a text", what()))),
    }
}
