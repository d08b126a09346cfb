//! HTTP to servers on this machine.

use crate::{Context, Result};

/// A client for what listens here, which is never behind the machine's proxy.
pub fn plain_http() -> Result<reqwest::Client> {
    crate::install_crypto();
    reqwest::Client::builder().no_proxy().build().context(|| "making an HTTP client")
}
