//! Waiting for what nobody tells.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Looks every `glance` until there is what is looked for. `None`: it was not there within that time.
pub async fn look_for<T>(within: Duration, glance: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(glance).await;
        }
    };
    timeout(within, found).await.ok()
}
