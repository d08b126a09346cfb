//! What a JSON Web Token says of itself. Nobody asks here whether it is true: the issuer sent it over TLS.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

/// The claims that pullmint reads.
#[derive(Debug, Deserialize)]
pub struct Claims {
    exp: f64,
    /// What a registry's access token grants (distribution's token specification).
    pub access: Option<Vec<Access>>,
}

/// One grant of an access token.
#[derive(Debug, Deserialize)]
pub struct Access {
    /// The repository.
    pub name: String,
    #[serde(default)]
    actions: Vec<String>,
}

impl Access {
    /// Whether pulling is among the actions.
    #[must_use]
    pub fn pulls(&self) -> bool {
        self.actions.iter().any(|action| action == "pull")
    }
}

impl Claims {
    /// Reads the middle part of a token. `None`: this is no token, or it has no expiry.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?.trim_end_matches('=');
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    /// When the token dies (`exp`, RFC 7519).
    #[must_use]
    pub fn expiry(&self) -> Option<Timestamp> {
        #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and the far ends are no timestamps")]
        Timestamp::from_second(self.exp.floor() as i64).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_expiry_is_read() {
        let expiry = |payload| Claims::of(&token(payload)).and_then(|claims| claims.expiry());
        assert_eq!(expiry(r#"{"exp":1767225600}"#), Some("2026-01-01T00:00:00Z".parse().expect("a time")));
        assert_eq!(expiry(r#"{"exp":1767225600.5}"#), Some("2026-01-01T00:00:00Z".parse().expect("a time")));
        assert_eq!(expiry(r#"{"exp":1e300}"#), None);
        assert_eq!(expiry("{}"), None);
        assert!(Claims::of("dckr_pat_1").is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", payload in ".*") {
            let expiries = [Claims::of(&text), Claims::of(&token(&payload))].map(|claims| claims.and_then(|c| c.expiry()));
            prop_assert!(expiries.len() == 2);
        }
    }
}
