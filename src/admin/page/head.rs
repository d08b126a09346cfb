//! The top of the page: whose it is, whether all is well, and the few numbers that say how much there is.

use maud::{Markup, html};

use super::concerns::Concern;
use super::tone::Tone;
use super::words::{between, count, number, span};
use crate::status::{Role, Status};

/// pullmint's leaf, in a square of 24.
pub(super) const LEAF: &str = "M20.5 2.5C10 2.5 4 7.5 4 14c0 2 .5 3.6 1.4 4.9C8 13.5 11.5 10 16 8c-4 3-7.3 7-9.3 12.5 1.3.7 2.7 1 4.3 1 7 0 10.5-7.5 9.5-19Z";

/// The tab's name: worth a glance among many.
pub(super) fn title(status: &Status, concerns: &[Concern]) -> String {
    format!("{} · pullmint", headline(status, concerns))
}

/// pullmint's name, and which of its processes this is.
pub(super) fn banner(status: &Status) -> Markup {
    let role = match status.leadership.role {
        Role::Leader => "leads",
        Role::Standby => "stands by",
    };
    html! {
        header {
            p.mark {
                svg viewBox="0 0 24 24" aria-hidden="true" {
                    path d=(LEAF) {}
                }
                "pullmint"
            }
            p.instance { code { (status.instance) } " " (role) }
        }
    }
}

/// Whether all is well; if not, what there is to look at.
pub(super) fn verdict(status: &Status, concerns: &[Concern]) -> Markup {
    let tone = tone(status, concerns);
    html! {
        section class={ "verdict " (tone.class()) } aria-labelledby="verdict" {
            h1 #verdict { (tone.sign()) " " (headline(status, concerns)) }
            p { (sentence(status)) }
            @if !concerns.is_empty() {
                ul.concerns {
                    @for concern in concerns {
                        li class=(concern.tone.class()) {
                            (concern.tone.sign()) " " a href={ "#" (concern.anchor) } { (concern.text) }
                        }
                    }
                }
            }
        }
        (facts(status))
    }
}

fn tone(status: &Status, concerns: &[Concern]) -> Tone {
    let at_rest = if is_complete(status) { Tone::Good } else { Tone::Waiting };
    concerns.iter().map(|concern| concern.tone).max().unwrap_or(at_rest)
}

fn headline(status: &Status, concerns: &[Concern]) -> String {
    match (concerns.len(), status.leadership.role) {
        (0, Role::Standby) => "Standing by".to_owned(),
        (0, Role::Leader) if !is_complete(status) => "Getting ready".to_owned(),
        (0, Role::Leader) => "Every credential is fresh".to_owned(),
        (1, _) => "One thing needs attention".to_owned(),
        (several, _) => format!("{several} things need attention"),
    }
}

fn sentence(status: &Status) -> String {
    match status.leadership.role {
        Role::Standby => match &status.leadership.holder {
            Some(holder) => format!("{holder} leads. This process watches, and takes over when it falls silent."),
            None => "Nobody is known to lead. This process takes over as soon as the lease allows.".to_owned(),
        },
        Role::Leader if status.first_pass_at.is_none() => {
            format!("The first pass is not over: {} still to be looked at.", count(status.queued, "object"))
        }
        Role::Leader => {
            let (in_sync, all) = copies(status);
            let waiting: usize = status.secrets.iter().map(|secret| secret.copies.waiting).sum();
            let rest =
                if waiting > 0 { format!(", {} waiting for a credential", number(waiting)) } else { String::new() };
            format!("{} of {} in sync{rest}.", number(in_sync), count(all, "Secret"))
        }
    }
}

/// Whether the leader has nothing left to fetch or to look at for the first time, or the standby all it needs.
fn is_complete(status: &Status) -> bool {
    match status.leadership.role {
        Role::Leader => {
            status.first_pass_at.is_some() && status.registries.iter().all(|registry| registry.credential.is_some())
        }
        Role::Standby => status.watches_listed,
    }
}

fn facts(status: &Status) -> Markup {
    let (in_sync, all) = copies(status);
    html! {
        dl.facts {
            div {
                dt { "Leader" }
                dd {
                    @match &status.leadership.holder {
                        Some(holder) => code { (holder) },
                        None => "nobody known",
                    }
                    @if let Some(since) = status.leadership.since {
                        span.aside { "for " (span(between(since, status.now))) }
                    }
                }
            }
            div {
                dt { "Registries" }
                dd { (number(status.registries.len())) }
            }
            // What a standby has not looked at is no news.
            @if status.leadership.role == Role::Leader || all > 0 {
                div {
                    dt { "Namespaces" }
                    dd { (number(status.namespaces_total)) }
                }
                div {
                    dt { "Secrets in sync" }
                    dd { (number(in_sync)) small { " of " (number(all)) } }
                }
            }
        }
    }
}

/// How many copies of Secrets are as they should be, and how many there are.
fn copies(status: &Status) -> (usize, usize) {
    let sum = |of: fn(&crate::status::SecretStatus) -> usize| status.secrets.iter().map(of).sum();
    (sum(|secret| secret.copies.in_sync), sum(|secret| secret.copies.wanted()))
}
