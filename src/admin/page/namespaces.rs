//! Namespaces × Secrets, those with problems first, and as many in all as a page can bear.

use maud::{Markup, html};

use super::View;
use super::tone::Tone;
use super::words::{count, number, prose, relative};
use crate::status::{CopyState, CopyStatus, NamespaceStatus, Role, SecretStatus, Status};

/// Namespaces without problems that stand open; the rest is folded away.
const OPEN: usize = 12;

/// The matrix.
pub(super) fn section(status: &Status, view: &View) -> Markup {
    let sought = view.namespace.as_deref().map(str::trim).filter(|sought| !sought.is_empty());
    let found = status.namespaces.iter().filter(|it| sought.is_none_or(|sought| it.name.contains(sought)));
    let (problems, well): (Vec<_>, Vec<_>) =
        found.partition(|it| it.secrets.iter().chain(&it.service_accounts).any(is_problem));
    let (open, folded) = well.split_at(if sought.is_some() { well.len() } else { OPEN.min(well.len()) });
    let shown: Vec<_> = problems.iter().chain(open).copied().collect();
    html! {
        section #namespaces aria-labelledby="namespaces-title" {
            h2 #namespaces-title { "Namespaces" }
            @if status.namespaces_total > OPEN || sought.is_some() { (search(view)) }
            @if shown.is_empty() {
                p.lead { (nothing(status, sought)) }
            } @else {
                (table(status, &shown, &caption(&problems, sought)))
            }
            @if !folded.is_empty() {
                details {
                    summary { (count(folded.len(), "more namespace")) " as they should be" }
                    (table(status, folded, "Namespaces as they should be"))
                }
            }
            @if status.namespaces_total > status.namespaces.len() {
                p.lead { (unlisted(status)) }
            }
        }
    }
}

fn is_problem(copy: &CopyStatus) -> bool {
    copy.problem.is_some() || matches!(copy.state, CopyState::Refused | CopyState::Failing | CopyState::LeftOver)
}

fn search(view: &View) -> Markup {
    html! {
        form.search role="search" method="get" action="/" {
            label for="namespace" { "Look up" }
            input #namespace type="search" name="namespace" value=[view.namespace.as_deref()] placeholder="part of a name";
            button { "Show" }
            @if view.namespace.is_some() { " " a href="/" { "Show all" } }
        }
    }
}

fn unlisted(status: &Status) -> String {
    let others = number(status.namespaces_total - status.namespaces.len());
    match status.namespaces_troubled.saturating_sub(status.namespaces.len()) {
        0 => format!("{others} others have no problems and are not listed."),
        troubled => format!("{others} others are not listed, {} of them with problems.", number(troubled)),
    }
}

fn nothing(status: &Status, sought: Option<&str>) -> String {
    match sought {
        Some(sought) if status.namespaces_troubled > status.namespaces.len() => {
            format!("No namespace with “{sought}” in its name is among those that are listed.")
        }
        Some(sought) if status.namespaces_total > status.namespaces.len() => {
            format!("No namespace with “{sought}” in its name has a problem, or it gets no Secret.")
        }
        Some(sought) => format!("No namespace with “{sought}” in its name gets a Secret."),
        None if status.leadership.role == Role::Standby => "The leader looks after them; its page tells.".to_owned(),
        None => "None gets a Secret yet.".to_owned(),
    }
}

fn caption(problems: &[&NamespaceStatus], sought: Option<&str>) -> String {
    let problems = match problems.len() {
        0 => "none has a problem".to_owned(),
        1 => "1 has a problem".to_owned(),
        several => format!("{several} have problems, they come first"),
    };
    match sought {
        Some(sought) => format!("Namespaces with “{sought}” in their names: {problems}"),
        None => format!("Each Secret in each namespace: {problems}"),
    }
}

fn table(status: &Status, namespaces: &[&NamespaceStatus], caption: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(caption) {
            table.matrix {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "Namespace" }
                        @for secret in &status.secrets { th scope="col" { code { (secret.name) } } }
                    }
                }
                @for namespace in namespaces { (rows(namespace, status)) }
            }
        }
    }
}

/// The namespace's row, and one below it for each problem.
fn rows(namespace: &NamespaceStatus, status: &Status) -> Markup {
    let problems = problems("", &namespace.secrets);
    let problems = problems.chain(self::problems("ServiceAccount ", &namespace.service_accounts));
    html! {
        tbody {
            tr {
                th scope="row" { (namespace.name) }
                @for secret in &status.secrets { td { (cell(namespace, secret, status)) } }
            }
            @for (kind, name, problem) in problems {
                tr.problem { td colspan=(status.secrets.len() + 1) { (kind) code { (name) } ": " (prose(problem)) } }
            }
        }
    }
}

/// What the matter is, of each copy that has a problem: its kind, its name, the words.
fn problems<'a>(
    kind: &'a str,
    copies: &'a [CopyStatus],
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> + use<'a> {
    copies.iter().filter_map(move |copy| Some((kind, copy.name.as_str(), copy.problem.as_deref()?)))
}

fn cell(namespace: &NamespaceStatus, secret: &SecretStatus, status: &Status) -> Markup {
    let Some(copy) = namespace.secrets.iter().find(|copy| copy.name == secret.name) else {
        return html! { span.aside { "not selected" } };
    };
    let (tone, words) = match copy.state {
        CopyState::InSync => (Tone::Good, "in sync"),
        CopyState::Waiting => (Tone::Waiting, "waiting"),
        CopyState::Refused => (Tone::Warn, "refused"),
        CopyState::Failing => (Tone::Bad, "failing"),
        CopyState::LeftOver => (Tone::Warn, "left over"),
    };
    html! {
        (tone.badge(words))
        @if let Some(at) = copy.expires_at {
            span.aside {
                @if at <= status.now { "expired " } @else { "expires " }
                (relative(status.now, at))
            }
        }
    }
}
