//! Whether images that do not pull are looked into.

use crate::config::file;
use crate::config::settings::Pulls;

/// The `[pulls]` table.
pub(in crate::config) fn pulls(file: &file::Pulls) -> Pulls {
    Pulls {
        explain: file.explain,
        private_networks: file.private_networks.iter().map(|network| network.0.clone()).collect(),
        read_all_secrets: file.read_all_secrets,
    }
}
