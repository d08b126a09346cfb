//! One HTTP answer, and what of it may be told.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::why::answer::{Quota, Words};

/// The longest message of a registry that is repeated.
const LONGEST_MESSAGE: usize = 200;

/// An answer, read to its end. It holds tokens, so it has no `Debug`.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Who answered in the end.
    pub(super) url: Url,
    /// It came from another origin than the one that was asked.
    pub(super) is_elsewhere: bool,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn date(&self) -> Option<Timestamp> {
        let text = self.headers.get(DATE)?.to_str().ok()?;
        rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// `ratelimit-remaining: 76;w=21600`
    pub(super) fn quota(&self) -> Option<Quota> {
        let number = |text: &str| text.split(';').next()?.trim().parse().ok();
        let remaining = self.header("ratelimit-remaining")?;
        let window = remaining.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
        let source = self.header("docker-ratelimit-source").map(|source| told(source, 60));
        Some(Quota {
            limit: self.header("ratelimit-limit").and_then(number),
            remaining: number(remaining)?,
            window_seconds: window,
            source,
        })
    }

    /// The registry's words. A message that repeats one of `secrets`, in whatever form it was sent, is left out.
    pub(super) fn words(&self, user: Option<&str>, secrets: &[&str]) -> Words {
        let status = self.status.as_u16();
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        let first = json.as_ref().and_then(|json| json.pointer("/errors/0"));
        let field = |name: &str| first.or(json.as_ref())?.get(name)?.as_str();
        let is_code = |c: char| c.is_ascii_uppercase() || c == '_' || c == ' ';
        let code = field("code").filter(|code| code.len() < 40 && code.chars().all(is_code)).unwrap_or_default();
        let message = ["message", "details", "error_description"].into_iter().find_map(field).unwrap_or_default();
        let repeats = |secret: &str| {
            let basic = STANDARD.encode(format!("{}:{secret}", user.unwrap_or_default()));
            // A part of a token is a part of a secret.
            let start = secret.get(..secret.len().min(12)).unwrap_or(secret);
            !secret.is_empty() && (message.contains(start) || message.contains(&basic[..basic.len().min(16)]))
        };
        let message = match secrets.iter().any(|secret| repeats(secret)) {
            true => "(its words repeat a credential and are left out)".to_owned(),
            false => told(message, LONGEST_MESSAGE),
        };
        Words { status, code: code.to_owned(), message }
    }
}

/// A stranger's text on one line, shortened.
fn told(text: &str, longest: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.trim();
    match plain.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &plain[..at]),
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(headers: &[(&'static str, &str)], body: &str) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().expect("a value")));
        let url = "https://reg.example.com/".parse().expect("a URL");
        let body = body.as_bytes().to_vec().into();
        Reply { status: StatusCode::FORBIDDEN, headers: headers.collect(), body, url, is_elsewhere: false }
    }

    #[test]
    fn docker_hubs_count_is_read() {
        let reply = reply(
            &[
                ("ratelimit-limit", "100;w=21600"),
                ("ratelimit-remaining", "76;w=21600"),
                ("docker-ratelimit-source", "192.0.2.1"),
            ],
            "",
        );
        let quota = reply.quota().expect("a count");
        assert_eq!((quota.limit, quota.remaining, quota.window_seconds), (Some(100), 76, Some(21600)));
    }

    #[test]
    fn a_message_that_repeats_a_secret_is_left_out() {
        let words = |message: &str| {
            let body = serde_json::json!({"errors": [{"code": "DENIED", "message": message}]}).to_string();
            reply(&[], &body).words(Some("me"), &["hunter2hunter2"]).message
        };
        assert_eq!(words("no\u{1b}[31m access"), "no [31m access");
        assert!(words("who is hunter2hunter2?").contains("left out"));
        assert!(words("who is bWU6aHVudGVyMmh1bnRlcjI=?").contains("left out"));
        assert!(words(&"x".repeat(1000)).chars().count() < 202);
    }
}
