//! What a provider mints: a user name, a password, and how long they live.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A registry credential as its issuer gave it. `Debug` never shows the password.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user name, as the issuer demands it (`AWS`, a null GUID, a Docker ID).
    pub username: String,
    /// The password. Nothing but the rendered Secret and the registry itself may ever see it.
    pub password: SecretString,
    /// When the issuer stops honouring it.
    pub expiry: Expiry,
    /// The issuer's identifier for it, where it is an object that must be deleted in the end.
    pub handle: Option<TokenHandle>,
}

/// When a credential dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// At an instant that the issuer named.
    At(Timestamp),
    /// Not by itself, as far as anyone declared.
    Never,
}

impl Expiry {
    /// Whether a credential with this expiry still opens anything at `now`.
    #[must_use]
    pub fn is_past(self, now: Timestamp) -> bool {
        matches!(self, Self::At(at) if at <= now)
    }

    /// The instant, if there is one.
    #[must_use]
    pub fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Never => None,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{at:.0}"),
            Self::Never => f.write_str("never"),
        }
    }
}

/// The identifier of a minted token at its issuer. It is no secret: it can revoke nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHandle(pub String);

impl Credential {
    /// A short name for this very password, the same in every log line, event and page that speaks of it.
    ///
    /// The first eight hex digits of a SHA-256: enough to tell two apart, useless to find the password.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::digest(self.password.expose_secret());
        let mut prefix = [0; 4];
        prefix.copy_from_slice(&digest[..4]);
        Fingerprint(u32::from_be_bytes(prefix))
    }
}

/// See [`Credential::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u32);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_password() {
        let credential = Credential {
            username: "AWS".into(),
            password: SecretString::from("hunter2"),
            expiry: Expiry::Never,
            handle: None,
        };
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
