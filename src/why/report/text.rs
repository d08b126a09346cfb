//! The report for people.

use std::fmt::Write;

use super::{Group, Report};
use crate::why::case::Subject;
use crate::why::catalogue::Code;
use crate::why::finding::{Certainty, Finding};

/// How many subjects of a finding are named.
const MOST_SUBJECTS: usize = 3;
/// Where the words of a section begin.
const INDENT: usize = 10;

/// Colours, or none.
#[derive(Clone, Copy)]
struct Style {
    is_coloured: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn code(self, finding: &Finding) -> String {
        let colour = if finding.code == Code::MENDED { "1;32" } else { "1;31" };
        self.paint(colour, &finding.code.to_string())
    }
}

/// One block a finding, as wide as the terminal.
#[must_use]
pub fn text(report: &Report, width: usize, is_coloured: bool) -> String {
    let style = Style { is_coloured };
    let width = width.clamp(40, 120);
    let mut out = String::new();
    for group in &report.findings {
        block(&mut out, group, width, style);
        out.push('\n');
    }
    for line in wrapped(&summary(report), width, 0) {
        writeln!(out, "{line}").ok();
    }
    for note in &report.notes {
        out.push_str(&section(style, "note", &style.dim(note), note, width));
    }
    out
}

/// One line a finding.
#[must_use]
pub fn short(report: &Report) -> String {
    let mut out = String::new();
    for group in &report.findings {
        let first = group.subjects.first().map(place).unwrap_or_default();
        let more = match group.subjects.len() {
            0 | 1 => String::new(),
            many => format!(" (+{})", many - 1),
        };
        let first = if first.is_empty() { String::new() } else { format!("{first}{more}: ") };
        writeln!(out, "{} {first}{}", group.finding.code, group.finding.sentence).ok();
    }
    out
}

fn block(out: &mut String, group: &Group, width: usize, style: Style) {
    let finding = &group.finding;
    let sentence = wrapped(&finding.sentence, width, 7);
    let (first, rest) = sentence.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
    writeln!(out, "{}  {}", style.code(finding), style.bold(&first)).ok();
    for line in rest {
        writeln!(out, "       {}", style.bold(&line)).ok();
    }
    let mut put = |name: &str, text: &str| out.push_str(&section(style, name, text, text, width));
    match group.subjects.as_slice() {
        [only] if only.pod.is_empty() => {}
        subjects => {
            let shown = subjects.iter().take(MOST_SUBJECTS).map(|subject| match subject.container.as_str() {
                _ if subjects.len() > 1 => place(subject),
                container => format!("{}, {} {container}", place(subject), subject.kind),
            });
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = subjects.len().saturating_sub(MOST_SUBJECTS);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            put(if subjects.len() == 1 { "pod" } else { "pods" }, &format!("{shown}{more}"));
        }
    }
    let (images, more) = group.images.split_at(group.images.len().min(MOST_SUBJECTS));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    put("image", &format!("{}{more}", images.join(", ")));
    match finding.certainty {
        Certainty::Certain => {}
        _ if finding.code == Code::UNKNOWN => {}
        Certainty::Likely => put("surety", "likely: nothing that was seen speaks against it"),
        Certainty::Possible => put("surety", "possible: other causes look the same from here"),
    }
    for (at, evidence) in finding.evidence.iter().enumerate() {
        let name = if at == 0 { "seen" } else { "" };
        out.push_str(&section(style, name, evidence, evidence, width));
    }
    for other in &finding.or_else {
        let text = format!("{}, {}; told apart by: {}", other.code, other.code.entry().title, other.told_by);
        out.push_str(&section(style, "or else", &text, &text, width));
    }
    let cure = capitalized(&finding.cure);
    out.push_str(&section(style, "cure", &cure, &cure, width));
    out.push_str(&command(style, finding.command.as_deref()));
    for also in &group.also {
        let text = format!("{} {}", also.code, also.sentence);
        out.push_str(&section(style, "also", &text, &text, width));
    }
    if group.failing {
        let next = next(group);
        out.push_str(&section(style, "retry", &next, &next, width));
        out.push_str(&command(style, group.retry.as_deref()));
    }
}

/// A command on a line of its own, never wrapped, so that it can be pasted.
fn command(style: Style, command: Option<&str>) -> String {
    command.map(|command| format!("{:INDENT$}{}\n", "", style.paint("36", command))).unwrap_or_default()
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// When the kubelet tries again, and what makes it try at once.
fn next(group: &Group) -> String {
    let when = match group.next_attempt_seconds {
        Some(0) => "the kubelet tries again any moment".to_owned(),
        Some(seconds) => format!("the kubelet tries again in about {seconds} s"),
        None => "the kubelet tries again within 5 min".to_owned(),
    };
    let end = if group.retry.is_some() { ":" } else { "" };
    format!("{when}; a new pod pulls at once{end}")
}

fn place(subject: &Subject) -> String {
    match subject.pod.as_str() {
        "" => String::new(),
        pod => format!("{}/{pod}", subject.namespace),
    }
}

/// `name  text`, wrapped. `plain` is the text without colours, by which it is measured.
fn section(style: Style, name: &str, text: &str, plain: &str, width: usize) -> String {
    let lines = wrapped(plain, width, INDENT);
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        let line = if text == plain { line.clone() } else { style.dim(line) };
        writeln!(out, "  {}{line}", style.dim(&format!("{name:<width$}", width = INDENT - 2))).ok();
    }
    out
}

/// Breaks a text into lines; words that are longer than a line stay whole.
fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let room = width.saturating_sub(indent).max(20);
    // A caret stands below its place: such a line is as it is.
    if text.trim_start().starts_with('^') || text.starts_with("  ") {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().map(|line| line.chars().count()).unwrap_or_default();
        if last > 0 && last + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// "1 pod", "2 pods"
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn summary(report: &Report) -> String {
    let failing = report.images - report.good;
    let mut parts = Vec::new();
    match (failing, report.pods) {
        (0, 0) if report.images == 0 => parts.push("there are no pods, so nothing was looked at".to_owned()),
        (0, _) if report.asked == 0 && report.images > 0 => {
            parts.push(format!("nothing wrong with {}, but no registry was asked", count(report.images, "image")));
        }
        (0, 0) => parts.push(format!("{} of {} can be pulled", report.good, count(report.images, "image"))),
        (0, pods) => parts.push(format!("{}, none that fails to pull its images", count(pods, "pod"))),
        (failing, 0) => parts.push(format!("findings for {failing} of {}", count(report.images, "image"))),
        (failing, pods) => {
            let fail = if failing == 1 { "fails" } else { "fail" };
            let findings = count(report.findings.len(), "finding");
            parts.push(format!("{}, {} {fail} to pull, {findings}", count(pods, "pod"), count(failing, "container")));
        }
    }
    let waiting: usize = report.waiting.values().sum();
    if waiting > 0 {
        let reasons: Vec<_> = report.waiting.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let wait = if waiting == 1 { "waits" } else { "wait" };
        parts.push(format!("{} {wait} for other reasons ({})", count(waiting, "pod"), reasons.join(", ")));
    }
    if report.asked > 0 {
        parts.push(format!("{} to registries", count(report.asked, "question")));
    }
    format!("{}.", parts.join("; "))
}
