//! Deletes tokens that nobody needs any more at their issuer, where they count against a quota.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::{REGISTRY_TIMEOUT, schedule, too_slow};
use crate::clock::Clock;
use crate::credential::TokenHandle;
use crate::provider::{Provider, Revocation};
use crate::registry::RegistryName;

/// Between two tries.
pub(super) const RETRY: Duration = Duration::from_secs(60);

/// Tries to delete one, and says whether nothing more is to be done.
pub(super) async fn delete(registry: &RegistryName, provider: &dyn Provider, handle: &TokenHandle) -> bool {
    let token = &handle.0;
    let asked = timeout(REGISTRY_TIMEOUT, provider.revoke(handle)).await;
    match asked.unwrap_or_else(|_| Err(too_slow("delete a token that nobody needs any more", REGISTRY_TIMEOUT))) {
        Ok(Revocation::Gone) => info!(%registry, token, "deleted a token that nobody needs any more"),
        Ok(Revocation::OutOfReach) => {
            let remedy = "delete it by hand, or it lives until its end";
            warn!(%registry, token, remedy, "a token that nobody needs any more is not this login's to delete");
        }
        Err(error) => {
            warn!(%registry, token, error = %error.chain(), "could not delete a token that nobody needs any more");
            return false;
        }
    }
    true
}

/// Deletes the tokens of a registry that is configured no more, once no pull that is under way can carry them.
pub async fn bury(
    registry: RegistryName,
    provider: Arc<dyn Provider>,
    tokens: Vec<TokenHandle>,
    clock: Arc<dyn Clock>,
) {
    let wait = async |time| {
        let until = clock.now().saturating_add(time);
        clock.sleep_until(until.unwrap_or_default()).await;
    };
    if !tokens.is_empty() {
        info!(%registry, tokens = tokens.len(), after = ?schedule::MARGIN,
            "the registry is configured no more; its tokens are deleted when no pull can carry them any more");
    }
    wait(schedule::MARGIN).await;
    for token in tokens {
        while !delete(&registry, &*provider, &token).await {
            wait(RETRY).await;
        }
    }
}
