//! Loops and watches that have fallen silent, and watches that show nothing though they live. Nothing is shown while all
//! is well with them.

use jiff::SignedDuration;
use maud::{Markup, html};

use super::tone::Tone;
use super::words::{moment, prose, span};
use crate::admin::health;
use crate::pulse::{Trouble, TroubleReason};
use crate::status::{LoopStatus, Status};

/// Those that are silent for longer than is healthy.
pub(super) fn late(status: &Status) -> impl Iterator<Item = &LoopStatus> {
    status.loops.iter().filter(|it| health::silence(it).is_some())
}

/// The watches that show nothing, each with its trouble.
pub(super) fn troubled(status: &Status) -> impl Iterator<Item = (&LoopStatus, &Trouble)> {
    status.loops.iter().filter_map(|it| Some((it, it.problem.as_ref()?)))
}

/// What has become of a watch.
pub(super) fn fate(trouble: &Trouble) -> &'static str {
    match trouble.reason {
        TroubleReason::Refused => "is refused by the API server",
        TroubleReason::Unavailable => "finds no API server that answers",
    }
}

/// All of them.
pub(super) fn section(status: &Status) -> Markup {
    html! {
        @if late(status).next().is_some() { (silent(status)) }
        @if troubled(status).next().is_some() { (shut_out(status)) }
    }
}

fn silent(status: &Status) -> Markup {
    html! {
        section #loops aria-labelledby="loops-title" {
            h2 #loops-title { "Standing still" }
            p.lead { "These parts gave no sign of life for too long. The liveness probe fails, and Kubernetes restarts pullmint." }
            ul.problems {
                @for it in late(status) {
                    li.card.bad {
                        p.where { (Tone::Bad.sign()) " " code { (it.name) } }
                        p {
                            "Last sign of life " (moment(status.now, it.last_beat_at)) "; up to "
                            (span(SignedDuration::from_secs(i64::try_from(it.limit_seconds).unwrap_or(i64::MAX))))
                            " would be healthy."
                        }
                    }
                }
            }
        }
    }
}

fn shut_out(status: &Status) -> Markup {
    html! {
        section #watches aria-labelledby="watches-title" {
            h2 #watches-title { "Not shown by the API server" }
            p.lead { "pullmint does not see these objects, and goes on with all others. It tries again every few seconds; a restart would not help." }
            ul.problems {
                @for (it, trouble) in troubled(status) {
                    li.card.bad {
                        p.where { (Tone::Bad.sign()) " " code { (it.name) } " " (fate(trouble)) }
                        p { (prose(&trouble.message)) }
                        p.remedy { strong { "What to do: " } (prose(trouble.remedy)) }
                    }
                }
            }
        }
    }
}
