//! What a cloud answered, and what its status means when nobody knows better.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::provider::{MintError, Reason};

/// No wait is believed that is longer: a credential lives hours.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Docker Hub's own: the instant, in Unix seconds, at which it listens again.
const X_RETRY_AFTER: HeaderName = HeaderName::from_static("x-retry-after");

/// An answer, read to its end. Its `Debug` shows no body, since bodies hold credentials.
pub struct Answer {
    place: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, wiped from memory when it is dropped.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("place", &self.place).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    pub(super) fn new(place: String, status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { place, status, headers, body: Zeroizing::new(body) }
    }

    /// The body as JSON. What is wrong with it is told by its position only.
    ///
    /// # Errors
    /// [`Reason::Unexpected`] when it is something else.
    pub fn json<T: DeserializeOwned>(&self, attempt: &str) -> Result<T, MintError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            nonsense(attempt, format!("{}'s answer is not the expected JSON: line {line}, column {column}", self.place))
        })
    }

    /// A field of a JSON body, for error codes.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<serde_json::Value> {
        serde_json::from_slice::<serde_json::Value>(&self.body).ok()?.get_mut(name).map(serde_json::Value::take)
    }

    /// The failure that this status stands for. `denied` is the remedy if it is a refusal.
    #[must_use]
    pub fn refusal(&self, attempt: &str, denied: impl Into<String>) -> MintError {
        let place = &self.place;
        let (reason, remedy) = match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (Reason::Denied, denied.into()),
            StatusCode::TOO_MANY_REQUESTS => {
                (Reason::Throttled, format!("{place} was asked too often; pullmint waits and asks again by itself"))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                (Reason::Misconfigured, "give the proxy's user and password in HTTPS_PROXY".to_owned())
            }
            status if status.is_server_error() => {
                (Reason::Unexpected, format!("{place} is in trouble; pullmint asks again by itself"))
            }
            _ => (Reason::Unexpected, format!("check that {place} is the service it is configured to be")),
        };
        MintError::new(reason, attempt.to_owned(), remedy)
            .caused_by(format!("{place} answered {}", self.status))
            .after(self.retry_after())
    }

    /// How long the other side asked to be left alone: `Retry-After` in seconds or as a date, or Docker Hub's
    /// `X-Retry-After`. Instants count from the answer's own `Date`, so no clock needs to agree with another.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let header = |name: HeaderName| self.headers.get(name)?.to_str().ok().map(str::trim);
        let instant = if let Some(text) = header(RETRY_AFTER) {
            if let Ok(seconds) = text.parse() {
                return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
            }
            http_date(text)?
        } else {
            Timestamp::from_second(header(X_RETRY_AFTER)?.parse().ok()?).ok()?
        };
        let date = http_date(header(DATE)?)?;
        Some(Duration::try_from(instant.duration_since(date)).unwrap_or_default().min(LONGEST_WAIT))
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

/// An answer that makes no sense.
pub(super) fn nonsense(attempt: &str, what: String) -> MintError {
    let remedy = "pullmint asks again by itself; if it lasts, look for a proxy or portal that answers instead";
    MintError::new(Reason::Unexpected, attempt.to_owned(), remedy).caused_by(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header value")))
            .collect();
        let status = StatusCode::from_u16(status).expect("a status");
        Answer::new("hub.docker.com".into(), status, headers, body.into())
    }

    #[test]
    fn a_wait_is_told_in_seconds_as_a_date_or_in_docker_hubs_way() {
        let wait = |headers: &[_]| answer(429, headers, "").retry_after().map(|wait| wait.as_secs());
        let date = ("date", "Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(wait(&[("retry-after", "120")]), Some(120));
        assert_eq!(wait(&[date, ("retry-after", "Tue, 15 Nov 1994 08:13:31 GMT")]), Some(60));
        assert_eq!(wait(&[date, ("x-retry-after", "784887211")]), Some(60));
        assert_eq!(wait(&[date, ("x-retry-after", "1")]), Some(0));
        assert_eq!(wait(&[("retry-after", "18446744073709551615")]), Some(24 * 60 * 60));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn statuses_map_to_reasons() {
        let reason = |status| answer(status, &[], "").refusal("try", "ask an owner").reason;
        assert_eq!(reason(401), Reason::Denied);
        assert_eq!(reason(403), Reason::Denied);
        assert_eq!(reason(407), Reason::Misconfigured);
        assert_eq!(reason(429), Reason::Throttled);
        assert_eq!(reason(503), Reason::Unexpected);
        assert_eq!(reason(302), Reason::Unexpected);
    }

    #[test]
    fn nothing_of_a_body_is_told() {
        let answer = answer(200, &[], r#"{"token": "hunter2"}"#);
        let error = answer.json::<u8>("log in").expect_err("no number");
        assert!(!format!("{answer:?} {error:?} {}", error.chain()).contains("hunter2"));
    }
}
