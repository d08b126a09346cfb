//! Images of Pending pods that do not pull: each cause with its cure. Nothing is shown where nobody looks for them.

use maud::{Markup, html};

use super::tone::Tone;
use super::words::{count, moment, number, prose};
use crate::status::{PullCauseStatus, PullFailuresStatus, Status};
use crate::why::catalogue::Code;

/// A card for each cause.
pub(super) fn section(status: &Status) -> Markup {
    let Some(failures) = &status.pull_failures else { return html! {} };
    html! {
        section #pulls aria-labelledby="pulls-title" {
            h2 #pulls-title { "Images that do not pull" }
            @if failures.causes.is_empty() && failures.unexplained == 0 {
                p.lead { "Every Pending pod gets its images, as far as can be seen." }
            }
            @if failures.causes_total > failures.causes.len() {
                p.lead { (count(failures.causes_total - failures.causes.len(), "further cause")) " not listed." }
            }
            @if failures.unexplained > 0 {
                p.lead { (count(failures.unexplained, "container")) " more: not looked into yet, or too many to be." }
            }
            ul.problems {
                @for cause in &failures.causes { (card(cause, status)) }
            }
        }
    }
}

/// How bad it is that there are such images; `None` without any.
pub(super) fn tone(failures: &PullFailuresStatus) -> Option<(Tone, usize)> {
    let failing: usize = failures.counts.iter().filter(|(code, _)| !is_mended(code)).map(|(_, count)| count).sum();
    (failing > 0).then_some((Tone::Warn, failing))
}

fn card(cause: &PullCauseStatus, status: &Status) -> Markup {
    let tone = if is_mended(&cause.code) { Tone::Waiting } else { Tone::Warn };
    let more = cause.pods - cause.first_pods.len();
    html! {
        li class={ "card " (tone.class()) } {
            p.where { (tone.sign()) " " code { (cause.code) } " " span.aside { (cause.certainty) } }
            p { (prose(&cause.sentence)) }
            p.remedy { strong { "What to do: " } (prose(&cause.cure)) }
            @if let Some(command) = &cause.command {
                p.command { code { (command) } }
            }
            p.aside {
                (count(cause.pods, "pod")) " in " (count(cause.namespaces, "namespace"))
                ", first seen " (moment(status.now, cause.since)) ": " (cause.first_pods.join(", "))
                @if more > 0 { " and " (number(more)) " others" }
            }
        }
    }
}

/// Whether the code is that of images that could be pulled by now.
fn is_mended(code: &str) -> bool {
    code == Code::MENDED.to_string()
}
