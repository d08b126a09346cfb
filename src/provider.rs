//! Who mints: one stateless question to a cloud per call.
//!
//! A provider knows no Kubernetes, keeps no cache and retries nothing. It reads the clock only where a cloud lets the
//! asker choose a token's end. The keeper decides when to ask, and what to do with the answer.

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use aws_types::os_shim_internal::Env;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::clock::Clock;
use crate::config::settings::{self, ProviderSettings};
use crate::credential::{Credential, TokenHandle};
use crate::registry::Host;

pub mod acr;
pub mod docker_hub;
pub mod ecr;
pub mod error;
pub mod http;
pub mod jwt;
pub mod secret_file;
pub mod verify;

pub use error::{BoxError, MintError, Reason};
pub use http::{Http, Network};

/// Mints credentials for one registry identity.
#[async_trait]
pub trait Provider: Debug + Send + Sync {
    /// The hosts that the minted credential opens: the keys of the Secret. Never empty.
    fn hosts(&self) -> &[Host];

    /// Asks the cloud once for a new credential.
    ///
    /// # Errors
    /// [`MintError`], with a reason that tells when it makes sense to ask again.
    async fn mint(&self) -> Result<Credential, MintError>;

    /// Whether asking costs nothing and may bring something new at any time, as with a file that others write.
    fn is_polled(&self) -> bool {
        false
    }

    /// Deletes a replaced credential at its issuer.
    ///
    /// Called for credentials with a [`TokenHandle`] only, which may be from before the settings were changed.
    ///
    /// # Errors
    /// [`MintError`], as for [`Provider::mint`].
    async fn revoke(&self, _handle: &TokenHandle) -> Result<Revocation, MintError> {
        Ok(Revocation::OutOfReach)
    }

    /// Asks the registry itself whether it accepts the credential: `GET /v2/` and its token flow.
    ///
    /// # Errors
    /// [`Reason::Denied`] when it was refused; any other reason when the registry gave no verdict.
    async fn verify(&self, credential: &Credential) -> Result<(), MintError>;

    /// Asks the registry how many pulls are left to the credential, which costs none. `None`: it sets no limit, or tells
    /// of none.
    ///
    /// # Errors
    /// As for [`Provider::verify`].
    async fn pull_limit(&self, _credential: &Credential) -> Result<Option<PullLimit>, MintError> {
        Ok(None)
    }
}

/// What became of a credential that was to be deleted at its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It is gone: deleted now, or not there (any more) as far as the issuer tells.
    Gone,
    /// It is not this identity's to delete, and lives on until its end.
    OutOfReach,
}

/// How many pulls a registry allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLimit {
    /// In a window.
    pub limit: u64,
    /// Still, in the present one.
    pub remaining: u64,
    /// The window's length.
    pub window: Duration,
}

/// What providers touch of the world besides the clouds. One for all of them: they share the HTTP client.
#[derive(Clone)]
pub struct Outside {
    /// The way to registries and clouds.
    pub http: Http,
    /// For tokens whose end pullmint chooses.
    pub clock: Arc<dyn Clock>,
    /// The environment, where clouds leave identities.
    pub env: Env,
}

/// Without the environment, which holds secrets.
impl Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Outside {
    /// The real one.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`] when `ca_file` cannot be used.
    pub fn new(ca_file: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, MintError> {
        Ok(Self { http: Http::new(&Network::from_env(ca_file))?, clock, env: Env::real() })
    }
}

/// The provider that the settings ask for. It asks nobody yet.
#[must_use]
pub fn build(registry: &settings::Registry, outside: &Outside) -> Arc<dyn Provider> {
    let outside = outside.clone();
    match &registry.provider {
        ProviderSettings::Acr(acr) => Arc::new(acr::AcrProvider::new(acr, outside)),
        ProviderSettings::DockerHub(hub) => Arc::new(docker_hub::DockerHubProvider::new(&registry.name, hub, outside)),
        ProviderSettings::Ecr(ecr) => Arc::new(ecr::EcrProvider::private(ecr, outside)),
        ProviderSettings::EcrPublic(ecr) => Arc::new(ecr::EcrProvider::public(ecr, outside)),
    }
}

/// Runs a cloud's SDK without its log: at the level `trace` it would show whole requests and answers.
async fn quietly<F: Future>(sdk: F) -> F::Output {
    sdk.with_subscriber(Dispatch::none()).await
}
