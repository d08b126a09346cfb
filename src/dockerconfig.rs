//! The bytes of a `kubernetes.io/dockerconfigjson` Secret.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::credential::Credential;
use crate::registry::Host;

/// Renders one `auths` entry per host: what `docker login` and `kubectl create secret docker-registry` would write.
///
/// The text is a secret. Hosts come in their order, so equal input makes equal bytes.
#[must_use]
pub fn render<'a>(logins: impl IntoIterator<Item = (&'a Host, &'a Credential)>) -> SecretString {
    let auths = logins.into_iter().map(|(host, credential)| (host.key(), Entry::of(credential))).collect();
    let text = serde_json::to_string(&DockerConfig { auths }).unwrap_or_else(|_| unreachable!("strings serialize"));
    SecretString::from(text)
}

#[derive(Serialize)]
struct DockerConfig<'a> {
    auths: BTreeMap<&'a str, Entry<'a>>,
}

/// The kubelet reads `auth` and, where it is present, ignores the other two; older clients read only those.
#[derive(Serialize)]
struct Entry<'a> {
    username: &'a str,
    password: &'a str,
    auth: String,
}

impl<'a> Entry<'a> {
    fn of(credential: &'a Credential) -> Self {
        let Credential { username, password, .. } = credential;
        let password = password.expose_secret();
        Self { username, password, auth: STANDARD.encode(format!("{username}:{password}")) }
    }
}
