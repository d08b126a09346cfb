//! The kubelet's keyring, rebuilt: which credentials it takes from a pod's pull Secrets for an image, in its order.
//!
//! It is exact down to what looks like mistakes, since those are what people stumble over: a Secret of another type is
//! passed over in silence, one that does not parse fails all, keys match by rules of their own. A test holds it
//! against the kubelet's code (`pkg/credentialprovider` of Kubernetes 1.36).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

mod docker_config;
mod glob;
mod json;
mod location;

pub use docker_config::Fault;
pub use location::{Location, Mismatch};

/// A Secret's type and its key under which the kubelet looks.
pub const DOCKER_CONFIG_JSON: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");
/// The same for the format that preceded it.
pub const DOCKERCFG: (&str, &str) = ("kubernetes.io/dockercfg", ".dockercfg");

/// One credential in a pull Secret.
#[derive(Clone, Debug)]
pub struct Login {
    /// The Secret that holds it.
    pub secret: String,
    /// The key as it is written there.
    pub key: String,
    /// What the key means to the kubelet.
    pub location: Location,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// A Secret that makes the kubelet give up on all of the pod's Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub secret: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What the kubelet makes of one Secret.
#[derive(Clone, Debug)]
pub enum Content {
    /// Its entries. A key that is no address is left out, as the kubelet does.
    Logins(Vec<Login>),
    /// It is passed over in silence.
    Ignored(Ignored),
}

/// Why a Secret is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Its type is none of the two.
    Type,
    /// Its type demands another data key.
    DataKey,
    /// The data key is there, and nothing under it.
    Empty,
}

/// Reads one Secret.
///
/// # Errors
/// [`Broken`] when the kubelet could not read it either.
pub fn read(secret: &Secret) -> Result<Content, Broken> {
    let kind = secret.type_.as_deref().unwrap_or_default();
    let Some((_, data_key)) = [DOCKER_CONFIG_JSON, DOCKERCFG].into_iter().find(|(name, _)| *name == kind) else {
        return Ok(Content::Ignored(Ignored::Type));
    };
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(data_key)) else {
        return Ok(Content::Ignored(Ignored::DataKey));
    };
    if bytes.0.is_empty() {
        return Ok(Content::Ignored(Ignored::Empty));
    }
    let name = secret.metadata.name.clone().unwrap_or_default();
    let entries = match kind == DOCKERCFG.0 {
        true => docker_config::dockercfg(&bytes.0),
        false => docker_config::docker_config_json(&bytes.0),
    };
    let entries = entries.map_err(|fault| Broken { secret: name.clone(), fault })?;
    let login = |entry: docker_config::Entry| {
        let location = Location::of_key(&entry.key)?;
        let docker_config::Entry { key, username, password } = entry;
        Some(Login { secret: name.clone(), key, location, username, password })
    };
    Ok(Content::Logins(entries.into_iter().filter_map(login).collect()))
}

/// The credentials of a pod, as the kubelet keeps them.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Under each key its credentials, in the order of the Secrets.
    logins: BTreeMap<Location, Vec<Login>>,
}

impl Keyring {
    /// Takes in the pod's Secrets, in the pod's order.
    ///
    /// # Errors
    /// [`Broken`]: the pod then has no credential at all.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, Broken> {
        let mut keyring = Self::default();
        for secret in secrets {
            if let Content::Logins(logins) = read(secret)? {
                for login in logins {
                    keyring.logins.entry(login.location.clone()).or_default().push(login);
                }
            }
        }
        Ok(keyring)
    }

    /// The credentials that are tried for an image, one after the other. `name` is without tag and digest.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Vec<&Login> {
        let Some(image) = Location::of_image(name) else { return self.default_logins(name) };
        let matching = self.logins.iter().rev().filter(|(key, _)| key.opens(&image));
        let found: Vec<_> = matching.flat_map(|(_, logins)| logins).collect();
        if found.is_empty() { self.default_logins(name) } else { found }
    }

    /// Every credential, whatever it opens.
    pub fn all(&self) -> impl Iterator<Item = &Login> {
        self.logins.values().flatten()
    }

    /// Docker Hub's, which serve its images where nothing else matches.
    #[must_use]
    pub fn default_logins(&self, name: &str) -> Vec<&Login> {
        if !is_docker_hubs(name) {
            return Vec::new();
        }
        self.logins.get(&Location::docker_hub()).into_iter().flatten().collect()
    }
}

fn is_docker_hubs(name: &str) -> bool {
    match name.split_once('/') {
        None => !name.is_empty(),
        Some(("docker.io" | "index.docker.io", _)) => true,
        Some((first, _)) => !first.is_empty() && !first.contains(['.', ':']),
    }
}

/// Whether a Secret leaves its credentials to helper programs, which the kubelet does not run.
#[must_use]
pub fn has_helpers(secret: &Secret) -> bool {
    let content = secret.data.as_ref().and_then(|data| data.get(DOCKER_CONFIG_JSON.1));
    content.is_some_and(|content| docker_config::has_helpers(&content.0))
}
