//! How many pulls an account has left, as Docker Hub's registry says in its headers.
//!
//! A HEAD of a manifest is answered with the headers and is not counted as a pull (Docker's documentation on pull rate
//! limits names the repository for it).

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use secrecy::ExposeSecret;

use crate::credential::Credential;
use crate::provider::verify::bearer;
use crate::provider::{Http, MintError, PullLimit, Reason};

const TOKEN: &str =
    "https://auth.docker.io/token?service=registry.docker.io&scope=repository:ratelimitpreview/test:pull";
const MANIFEST: &str = "https://registry-1.docker.io/v2/ratelimitpreview/test/manifests/latest";
const ATTEMPT: &str = "ask Docker Hub how many pulls are left";
const DENIED: &str = "check that the token is active and may read";

/// Asks. `None`: nothing is limited. An answer that is no success says so only by its headers: the limit itself, and many
/// other things, are answered with a refusal.
///
/// # Errors
/// As for every question to a registry.
pub(super) async fn ask(http: &Http, credential: &Credential) -> Result<Option<PullLimit>, MintError> {
    let password = credential.password.expose_secret();
    let request = http.request(Method::GET, address(TOKEN)?).basic_auth(&credential.username, Some(password));
    let answer = http.send(ATTEMPT, request).await?;
    if !answer.status.is_success() {
        return Err(answer.refusal(ATTEMPT, DENIED));
    }
    let token = bearer(&answer, ATTEMPT)?;
    let request = http.request(Method::HEAD, address(MANIFEST)?).bearer_auth(token.expose_secret());
    let answer = http.send(ATTEMPT, request).await?;
    match read(&answer.headers) {
        None if !answer.status.is_success() => Err(answer.refusal(ATTEMPT, DENIED)),
        limit => Ok(limit),
    }
}

fn address(text: &str) -> Result<Url, MintError> {
    text.parse().map_err(|_| MintError::new(Reason::Unexpected, ATTEMPT, "report this as a defect of pullmint"))
}

/// `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.
fn read(headers: &HeaderMap) -> Option<PullLimit> {
    let parts = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        let (number, window) = text.split_once(";w=")?;
        Some((number.trim().parse().ok()?, Duration::from_secs(window.trim().parse().ok()?)))
    };
    let (limit, window) = parts("ratelimit-limit")?;
    let (remaining, _) = parts("ratelimit-remaining")?;
    Some(PullLimit { limit, remaining, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: &str, remaining: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", limit.parse().expect("a value"));
        headers.insert("ratelimit-remaining", remaining.parse().expect("a value"));
        headers
    }

    #[test]
    fn a_limit_is_read_with_its_window_and_anything_else_is_none() {
        let window = Duration::from_secs(21600);
        assert_eq!(read(&headers("100;w=21600", "76;w=21600")), Some(PullLimit { limit: 100, remaining: 76, window }));
        assert_eq!(read(&headers("many", "76;w=21600")), None);
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
