//! What is wrong with the configuration's files, where, and what to do. Nothing is shown while nothing is wrong.

use maud::{Markup, html};

use super::tone::Tone;
use super::words::{moment, prose};
use crate::status::{ConfigurationProblem, Status};

/// The problems of the files as they are now.
pub(super) fn section(status: &Status) -> Markup {
    let configuration = &status.configuration;
    if configuration.problems.is_empty() {
        return html! {};
    }
    html! {
        section #configuration aria-labelledby="configuration-title" {
            h2 #configuration-title { "Configuration" }
            p.lead {
                "The files were read " (moment(status.now, configuration.read_at))
                " and not taken over. The configuration of " (moment(status.now, configuration.loaded_at))
                " stays in force until they are right."
            }
            ul.problems {
                @for problem in &configuration.problems {
                    li.card.warn {
                        p.where { (Tone::Warn.sign()) " " code { (place(problem)) } }
                        p { (prose(&problem.message)) }
                        @if let Some(help) = &problem.help {
                            p.remedy { strong { "What to do: " } (prose(help)) }
                        }
                    }
                }
            }
        }
    }
}

/// `pullmint.toml:3:12`, as editors take it.
fn place(problem: &ConfigurationProblem) -> String {
    let part = |number: Option<usize>| number.map(|number| format!(":{number}")).unwrap_or_default();
    format!("{}{}{}", problem.file, part(problem.line), part(problem.line.and(problem.column)))
}
