//! Names: a registry as the configuration calls it, and the host that serves it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A registry's name in pullmint: the stem of its TOML file, a DNS label or several joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistryName(String);

impl RegistryName {
    /// Takes a name as it is; the configuration has checked its form.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host of a registry, with its port if it has one: `acme.azurecr.io`, `registry.example.com:5000`.
///
/// Docker Hub answers under several names; all of them are one `Host` here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Host(String);

/// Docker Hub's own spelling among its many, as in the key that the kubelet looks for.
const DOCKER_HUB: &str = "index.docker.io";

impl Host {
    /// Docker Hub.
    #[must_use]
    pub fn docker_hub() -> Self {
        Self(DOCKER_HUB.to_owned())
    }

    /// The host's name and port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key in dockerconfigjson's `auths` under which the kubelet and every other client find this host.
    ///
    /// For Docker Hub that is `https://index.docker.io/v1/`, with the slash: without it the kubelet's
    /// keyring never matches (kubernetes `pkg/credentialprovider/keyring.go`).
    #[must_use]
    pub fn key(&self) -> &str {
        if self.0 == DOCKER_HUB { "https://index.docker.io/v1/" } else { &self.0 }
    }

    /// Where the registry's HTTP API answers: `https://HOST/v2/`.
    #[must_use]
    pub fn api(&self) -> String {
        let host = if self.0 == DOCKER_HUB { "registry-1.docker.io" } else { &self.0 };
        format!("https://{host}/v2/")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no registry host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// Nothing was given.
    #[error("a registry host is missing")]
    Empty,
    /// A scheme or a path stands around the host.
    #[error("give the host alone, without scheme and path: {0}")]
    NotHostAlone(String),
    /// The port is no number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535, not {0:?}")]
    Port(String),
    /// A label between two dots is malformed.
    #[error("{0:?} is no DNS label: letters, digits and inner hyphens, at most 63")]
    Label(String),
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if text.is_empty() {
            return Err(InvalidHost::Empty);
        }
        let bare = text.trim_start_matches("https://").trim_start_matches("http://");
        let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
        if bare.len() != text.len() || !path.is_empty() || bare.ends_with('/') {
            return Err(InvalidHost::NotHostAlone(authority.to_owned()));
        }
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        };
        if let Some(port) = port
            && port.parse::<u16>().unwrap_or(0) == 0
        {
            return Err(InvalidHost::Port(port.to_owned()));
        }
        if let Some(bad) = name.split('.').find(|label| !is_dns_label(label)) {
            return Err(InvalidHost::Label(bad.to_owned()));
        }
        let name = authority.to_ascii_lowercase();
        Ok(match name.as_str() {
            "docker.io" | "registry-1.docker.io" | "hub.docker.com" | "registry.hub.docker.com" => Self::docker_hub(),
            _ => Self(name),
        })
    }
}

fn is_dns_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_docker_hub_has_the_one_key_the_kubelet_finds() {
        for spelling in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            let host: Host = spelling.parse().expect("a host");
            assert_eq!(host.key(), "https://index.docker.io/v1/");
            assert_eq!(host.api(), "https://registry-1.docker.io/v2/");
        }
    }

    #[test]
    fn a_host_is_refused_with_what_is_wrong_about_it() {
        let refusal = |text: &str| text.parse::<Host>().expect_err(text);
        assert_eq!(refusal(""), InvalidHost::Empty);
        assert_eq!(refusal("https://acme.azurecr.io"), InvalidHost::NotHostAlone("acme.azurecr.io".into()));
        assert_eq!(refusal("acme.azurecr.io/team"), InvalidHost::NotHostAlone("acme.azurecr.io".into()));
        assert_eq!(refusal("acme.azurecr.io:0"), InvalidHost::Port("0".into()));
        assert_eq!(refusal("acme..io"), InvalidHost::Label(String::new()));
        assert_eq!(refusal("-acme.io"), InvalidHost::Label("-acme".into()));
    }

    #[test]
    fn a_port_belongs_to_the_key() {
        let host: Host = "Registry.example.com:5000".parse().expect("a host");
        assert_eq!(host.key(), "registry.example.com:5000");
    }
}
