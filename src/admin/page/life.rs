//! A credential's life as a bar: what is left of it, with a mark where it will be renewed.

use jiff::Timestamp;
use maud::{Markup, html};

use super::tone::Tone;
use super::words::{between, moment, span};
use crate::status::{CredentialStatus, RegistryStatus};

/// The bar and its words. Where the credential never expires there are only words, where there is none only the next
/// attempt.
pub(super) fn bar(registry: &RegistryStatus, now: Timestamp, tone: Tone) -> Markup {
    let expiring = registry.credential.as_ref().and_then(|credential| Some((credential, credential.expires_at?)));
    if registry.credential.is_none() && registry.next_renewal_at.is_none() {
        return html! {};
    }
    html! {
        div class={ "life " (tone.class()) } {
            @if let Some((credential, expires_at)) = expiring {
                (shape(credential, expires_at, registry.next_renewal_at.filter(|_| !registry.polled), now))
            }
            div.life-words {
                @if let Some(credential) = &registry.credential {
                    p { strong { (left(credential, now)) } }
                }
                @if let Some(at) = registry.next_renewal_at {
                    p.next {
                        (tick())
                        "next " (what(registry)) " " (moment(now, at))
                    }
                }
            }
        }
    }
}

/// What comes next.
fn what(registry: &RegistryStatus) -> &'static str {
    match (&registry.failure, registry.polled) {
        (Some(_), _) => "attempt",
        (None, true) => "look",
        (None, false) => "renewal",
    }
}

fn left(credential: &CredentialStatus, now: Timestamp) -> String {
    let Some(expires_at) = credential.expires_at else { return "Does not expire by itself".to_owned() };
    let life = span(between(credential.issued_at, expires_at));
    if expires_at <= now {
        format!("Expired {} ago, after {life}", span(between(expires_at, now)))
    } else {
        format!("{} left of {life}", span(between(now, expires_at)))
    }
}

fn shape(credential: &CredentialStatus, expires_at: Timestamp, renewal: Option<Timestamp>, now: Timestamp) -> Markup {
    let life = between(credential.issued_at, expires_at).as_secs_f64();
    let share = |from: Timestamp| match life {
        life if life > 0.0 => (between(from, expires_at).as_secs_f64() / life).min(1.0) * 100.0,
        _ => 0.0,
    };
    let mark = renewal.filter(|at| *at > credential.issued_at && *at < expires_at).map(share).map(percent);
    html! {
        svg role="img" aria-label={ (left(credential, now)) ", " (format!("{:.0}", share(now))) " %" } {
            rect.track width="100%" height="100%" {}
            rect.left width=(percent(share(now))) height="100%" {}
            @if let Some(mark) = mark {
                rect.gap x=(mark) width="6" height="100%" transform="translate(-3 0)" {}
                rect.mark x=(mark) width="2" height="100%" transform="translate(-1 0)" {}
            }
        }
    }
}

/// The mark once more, beside the words that explain it.
fn tick() -> Markup {
    html! { svg.tick aria-hidden="true" { rect.mark width="2" height="100%" {} } }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}
