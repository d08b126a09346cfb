//! Each registry's credential: how it stands, what is left of its life, how its renewals went, what went wrong last.

use maud::{Markup, html};

use super::tone::Tone;
use super::words::{between, count, moment, prose, span};
use super::{history, life};
use crate::admin::health;
use crate::status::{CredentialStatus, FailureStatus, RateLimitStatus, RegistryStatus, Role, Status};

/// How a registry's credential stands, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) tone: Tone,
    pub(super) words: &'static str,
}

/// How this one stands.
pub(super) fn standing(registry: &RegistryStatus, status: &Status) -> Standing {
    let expired = |credential: &CredentialStatus| credential.expires_at.is_some_and(|at| at <= status.now);
    let (tone, words) = match (&registry.credential, &registry.failure) {
        (None, None) if status.leadership.role == Role::Standby => (Tone::Waiting, "held by the leader"),
        (None, None) => (Tone::Waiting, "no credential yet"),
        (None, Some(_)) => (Tone::Bad, "no credential"),
        (Some(credential), _) if expired(credential) => (Tone::Bad, "expired"),
        (Some(_), Some(_)) => (Tone::Warn, "still valid, but renewal fails"),
        (Some(_), None) if health::lateness(registry, status).is_some() => (Tone::Bad, "renewal is overdue"),
        (Some(credential), None) if credential.verification == "refused" => (Tone::Warn, "refused by the registry"),
        (Some(_), None) => (Tone::Good, "fresh"),
    };
    Standing { tone, words }
}

/// The registry's place on the page.
pub(super) fn anchor(registry: &RegistryStatus) -> String {
    format!("registry-{}", registry.name)
}

/// All registries.
pub(super) fn section(status: &Status) -> Markup {
    html! {
        section aria-labelledby="registries-title" {
            h2 #registries-title { "Registries" }
            @if status.registries.is_empty() {
                p.lead { "The configuration names none." }
            }
            div.registries {
                @for registry in &status.registries {
                    (card(registry, status))
                }
            }
        }
    }
}

fn card(registry: &RegistryStatus, status: &Status) -> Markup {
    let standing = standing(registry, status);
    let title = anchor(registry);
    html! {
        article.card.registry aria-labelledby=(title) {
            div.card-head {
                h3 id=(title) { (registry.name) }
                span.provider { (provider(registry.provider)) }
                (standing.tone.badge(standing.words))
            }
            ul.hosts {
                @for host in &registry.hosts { li { code { (host) } } }
            }
            (life::bar(registry, status.now, standing.tone))
            (details(registry, status))
            @if let Some(failure) = &registry.failure {
                (failure_note(failure, status, standing.tone))
            }
            @if status.leadership.role == Role::Leader || !registry.attempts.is_empty() {
                (history::row(&registry.attempts, status.now))
            }
        }
    }
}

fn details(registry: &RegistryStatus, status: &Status) -> Markup {
    html! {
        dl.details {
            @if let Some(credential) = &registry.credential {
                div { dt { "Issued" } dd { (moment(status.now, credential.issued_at)) } }
                div {
                    dt { "Registry" }
                    dd {
                        (verification(credential.verification))
                        @if let Some(at) = credential.verified_at { span.aside { (moment(status.now, at)) } }
                    }
                }
            }
            div { dt { "Secret" } dd { code { (registry.secret) } } }
            @if let Some(limit) = &registry.rate_limit {
                div { dt { "Pulls left" } dd { (pulls(limit, status)) } }
            }
            @if let Some(credential) = &registry.credential {
                div { dt { "Fingerprint" } dd { code { (credential.fingerprint) } } }
            }
        }
    }
}

fn failure_note(failure: &FailureStatus, status: &Status, tone: Tone) -> Markup {
    html! {
        div class={ "note " (tone.class()) } {
            p {
                strong { (sentence_case(failure.reason.as_str())) ":" }
                " " (count(failure.consecutive as usize, "failure")) " in a row, for "
                (span(between(failure.since, status.now)))
            }
            p.message { (failure.message) }
            p.remedy { strong { "What to do: " } (prose(&failure.remedy)) }
        }
    }
}

fn pulls(limit: &RateLimitStatus, status: &Status) -> Markup {
    let window = span(jiff::SignedDuration::from_secs(i64::try_from(limit.window_seconds).unwrap_or(i64::MAX)));
    html! {
        (limit.remaining) " of " (limit.limit) " in " (window)
        span.aside { "as told " (moment(status.now, limit.at)) }
    }
}

fn provider(name: &str) -> &str {
    match name {
        "acr" => "Azure ACR",
        "docker-hub" => "Docker Hub",
        "ecr" => "Amazon ECR",
        "ecr-public" => "Amazon ECR Public",
        other => other,
    }
}

fn verification(verdict: &str) -> &str {
    match verdict {
        "accepted" => "accepts it",
        "doubtful" => "could not be asked",
        "refused" => "refuses it",
        "skipped" => "not asked",
        other => other,
    }
}

fn sentence_case(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
