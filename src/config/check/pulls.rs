//! Whether images that do not pull are looked into, and what is done about them.

use crate::config::document::Document;
use crate::config::file;
use crate::config::report::Flaw;
use crate::config::settings::Pulls;

/// The `[pulls]` table. Recovery without a cause to go by is reported.
pub(in crate::config) fn pulls(document: &mut Document<'_>, file: &file::Pulls) -> Pulls {
    if file.recover && !file.explain {
        let flaw = Flaw::new("`recover` also needs `explain = true`");
        let help =
            "only where the cause was found out it is known that a new pod will pull: set `explain = true` beside it";
        document.report(document.inner_key("pulls", "recover"), flaw.help(help));
    }
    Pulls {
        explain: file.explain,
        // What is none has been reported where it stands.
        private_networks: file.private_networks.iter().filter_map(|network| network.0.parse().ok()).collect(),
        read_all_secrets: file.read_all_secrets,
        recoveries_per_minute: file.recover.then_some(file.recoveries_per_minute),
    }
}
