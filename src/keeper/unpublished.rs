//! A credential between its mint and its publication: what nobody publishes must not fill its issuer's quota.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::deletion::delete;
use super::{MINT_TIMEOUT, too_slow};
use crate::credential::{Credential, TokenHandle};
use crate::provider::{MintError, Provider};
use crate::registry::RegistryName;

/// A credential that nobody uses yet. Dropped, as by its keeper's end, it is deleted at its issuer in the background.
pub(super) struct Unpublished {
    credential: Credential,
    registry: RegistryName,
    provider: Arc<dyn Provider>,
    /// What is still to be deleted.
    token: Option<TokenHandle>,
}

impl Unpublished {
    /// Mints one, in a task of its own: an issuer that was asked answers also when nobody waits any more.
    pub(super) async fn mint(registry: &RegistryName, provider: &Arc<dyn Provider>) -> Result<Self, MintError> {
        let (registry, provider) = (registry.clone(), Arc::clone(provider));
        let minting = tokio::spawn(async move {
            let asked = timeout(MINT_TIMEOUT, provider.mint()).await;
            let credential = asked.unwrap_or_else(|_| Err(too_slow("mint a credential", MINT_TIMEOUT)))?;
            Ok(Self { token: credential.handle.clone(), credential, registry, provider })
        });
        match minting.await {
            Ok(minted) => minted,
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            // The process ends.
            Err(_) => std::future::pending().await,
        }
    }

    /// From now on it is in use.
    pub(super) fn publish(mut self) -> Credential {
        self.token = None;
        self.credential.clone()
    }

    /// It does not do.
    pub(super) async fn discard(mut self) {
        if let Some(token) = &self.token {
            delete(&self.registry, &*self.provider, token).await;
        }
        self.token = None;
    }
}

impl Deref for Unpublished {
    type Target = Credential;

    fn deref(&self) -> &Credential {
        &self.credential
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let (Some(token), Ok(runtime)) = (self.token.take(), Handle::try_current()) {
            let (registry, provider) = (self.registry.clone(), Arc::clone(&self.provider));
            runtime.spawn(async move { delete(&registry, &*provider, &token).await });
        }
    }
}
