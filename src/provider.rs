//! Who mints: one stateless question to a cloud per call.
//!
//! A provider knows no Kubernetes, keeps no cache, retries nothing and reads no clock. The keeper
//! decides when to ask, and what to do with the answer.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::credential::{Credential, TokenHandle};
use crate::registry::Host;

pub mod error;

pub use error::{BoxError, MintError, Reason};

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

    /// Deletes a replaced credential at its issuer. Succeeds when it is already gone.
    ///
    /// Called for credentials with a [`TokenHandle`] only.
    ///
    /// # Errors
    /// [`MintError`], as for [`Provider::mint`].
    async fn revoke(&self, _handle: &TokenHandle) -> Result<(), MintError> {
        Ok(())
    }

    /// Asks the registry itself whether it accepts the credential: `GET /v2/` and its token flow.
    ///
    /// # Errors
    /// [`Reason::Denied`] when it was refused; any other reason when the registry gave no verdict.
    async fn verify(&self, credential: &Credential) -> Result<(), MintError>;
}
