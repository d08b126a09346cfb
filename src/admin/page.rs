//! The status page: one document without scripts, made of a [`Status`] alone.
//!
//! The parts stand below each other in the order in which they matter: whether all is well, what is not, the
//! credentials, their copies in the cluster. Every text goes through the template's escaping, and colour never says
//! anything that words do not.

mod accounts;
mod concerns;
mod configuration;
mod head;
mod history;
mod life;
mod loops;
mod namespaces;
mod pulls;
mod registries;
mod secrets;
mod tone;
mod words;

use std::sync::LazyLock;

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::status::Status;

const STYLE: &str = include_str!("page/style.css");

/// Seconds until the page asks anew.
const REFRESH: u32 = 30;

/// The page may show itself, in this very style, and do nothing else.
pub(super) static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What the visitor asked to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Only namespaces with this in their names.
    pub namespace: Option<String>,
    /// The page does not refresh itself.
    pub still: bool,
}

impl View {
    /// Where the same view is, still or not.
    fn link(&self, still: bool) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(namespace) = &self.namespace {
            query.append_pair("namespace", namespace);
        }
        if still {
            query.append_pair("refresh", "off");
        }
        format!("/?{}", query.finish())
    }
}

/// The page.
#[must_use]
pub fn render(status: &Status, view: &View) -> String {
    let concerns = concerns::of(status);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if !view.still {
                    meta http-equiv="refresh" content=(REFRESH);
                }
                title { (head::title(status, &concerns)) }
                link rel="icon" href=(icon());
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "To the status" }
                (head::banner(status))
                main #main {
                    (head::verdict(status, &concerns))
                    (configuration::section(status))
                    (loops::section(status))
                    (pulls::section(status))
                    (registries::section(status))
                    (secrets::section(status))
                    (accounts::section(status))
                    (namespaces::section(status, view))
                }
                (foot(status, view))
            }
        }
    };
    page.into_string()
}

/// The leaf for the browser's tab.
fn icon() -> String {
    let svg = "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%232f9e78'";
    format!("data:image/svg+xml,{svg} d='{}'/%3E%3C/svg%3E", head::LEAF)
}

fn foot(status: &Status, view: &View) -> Markup {
    html! {
        footer {
            p {
                "pullmint " (status.version) " in namespace " (status.namespace)
                ", running for " (words::span(words::between(status.started_at, status.now)))
                ", configuration loaded " (words::moment(status.now, status.configuration.loaded_at)) "."
            }
            p {
                "As of " time datetime=(status.now) { (words::clock(status.now)) } ". "
                @if view.still {
                    "Holding still. " a href=(view.link(false)) { "Refresh by itself" }
                } @else {
                    "Refreshes every " (REFRESH) " s. " a href=(view.link(true)) { "Hold still" }
                }
                " · " a href="/status.json" { "JSON" } " · " a href="/metrics" { "Metrics" }
                " · " a href="/livez?verbose" { "Live" } " · " a href="/readyz?verbose" { "Ready" }
            }
        }
    }
}
