//! All copies of each Secret, in numbers.

use maud::{Markup, html};

use super::tone::Tone;
use super::words::{moment, number};
use crate::status::{Counts, SecretStatus, Status};

/// A row for each Secret.
pub(super) fn section(status: &Status) -> Markup {
    if status.secrets.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="secrets-title" {
            h2 #secrets-title { "Secrets" }
            div.scroll tabindex="0" role="group" aria-labelledby="secrets-title" {
                table {
                    caption { "Each Secret, over all namespaces that get it" }
                    thead {
                        tr {
                            th scope="col" { "Secret" }
                            th scope="col" { "From" }
                            th scope="col" { "Copies" }
                            th scope="col" { "First expiry" }
                            th scope="col" { "Oldest write" }
                        }
                    }
                    tbody {
                        @for secret in &status.secrets { (row(secret, status)) }
                    }
                }
            }
        }
    }
}

fn row(secret: &SecretStatus, status: &Status) -> Markup {
    let registries: Vec<_> = secret.registries.iter().map(|name| name.as_str()).collect();
    html! {
        tr {
            th scope="row" { code { (secret.name) } }
            td { (registries.join(", ")) }
            td { (copies(&secret.copies)) }
            td {
                @match secret.lowest_expires_at {
                    Some(at) => (moment(status.now, at)),
                    None => "none",
                }
            }
            td {
                @match secret.last_synced_at {
                    Some(at) => (moment(status.now, at)),
                    None => "none yet",
                }
            }
        }
    }
}

/// How many stand how, the worst first.
pub(super) fn copies(counts: &Counts) -> Markup {
    let kinds = [
        (Tone::Bad, counts.failing, "failing"),
        (Tone::Warn, counts.refused, "refused"),
        (Tone::Warn, counts.left_over, "left over"),
        (Tone::Waiting, counts.waiting, "waiting"),
        (Tone::Good, counts.in_sync, "in sync"),
    ];
    let present = kinds.into_iter().filter(|(_, copies, words)| *copies > 0 || *words == "in sync");
    html! {
        ul.badges {
            @for (tone, copies, words) in present { li { (tone.badge(&format!("{} {words}", number(copies)))) } }
        }
    }
}
