//! The ServiceAccounts that name the Secrets, in numbers.

use maud::{Markup, html};

use super::secrets::copies;
use crate::status::Status;

/// A row for each ServiceAccount.
pub(super) fn section(status: &Status) -> Markup {
    if status.service_accounts.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="accounts-title" {
            h2 #accounts-title { "ServiceAccounts" }
            div.scroll tabindex="0" role="group" aria-labelledby="accounts-title" {
                table {
                    caption { "Each ServiceAccount that names a Secret, over all namespaces that have it" }
                    thead {
                        tr {
                            th scope="col" { "ServiceAccount" }
                            th scope="col" { "Copies" }
                        }
                    }
                    tbody {
                        @for account in &status.service_accounts {
                            tr {
                                th scope="row" { code { (account.name) } }
                                td { (copies(&account.copies)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
