//! Loops and watches that have fallen silent. Nothing is shown while all of them turn.

use maud::{Markup, html};

use super::tone::Tone;
use super::words::{moment, span};
use crate::admin::health;
use crate::status::{LoopStatus, Status};

/// Those that are silent for longer than is healthy.
pub(super) fn late(status: &Status) -> impl Iterator<Item = &LoopStatus> {
    status.loops.iter().filter(|it| health::silence(it, status).is_some())
}

/// The silent ones.
pub(super) fn section(status: &Status) -> Markup {
    if late(status).next().is_none() {
        return html! {};
    }
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
                            (span(jiff::SignedDuration::from_secs(i64::try_from(it.limit_seconds).unwrap_or(i64::MAX))))
                            " would be healthy."
                        }
                    }
                }
            }
        }
    }
}
