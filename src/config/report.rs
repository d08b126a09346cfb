//! What is wrong with the files: everything in one report, each problem shown where it stands.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};
use serde::Serialize;

use super::mask;

/// Every problem of every file. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Report {
    problems: Vec<Problem>,
}

/// One thing that is wrong, where it stands, and how to put it right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, or the directory where that is at fault.
    pub file: PathBuf,
    /// Where in the file; none if the whole file is meant or could not be read.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The line, with everything in it masked that might be a secret.
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    mark: Range<usize>,
}

impl Place {
    fn new(text: &str, span: &Range<usize>) -> Self {
        let floor = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        // A span may begin at the very end: behind the last line break, which is in no line, it is drawn back.
        let start = floor(span.start.min(text.trim_end().len()));
        let end = floor(span.end.clamp(start, text.len()));
        let head = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let tail = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[..start].matches('\n').count() + 1;
        let shown = mask::line(text, line, text[head..tail].trim_end());
        let fit = |at: usize| at.min(shown.len());
        let mark = fit(start - head)..fit((end.min(tail) - head).max(start - head + 1));
        let column = text[head..start].chars().count() + 1;
        Self { line, column, mark: boundary(&shown, mark), shown }
    }
}

fn boundary(text: &str, mut range: Range<usize>) -> Range<usize> {
    while !text.is_char_boundary(range.start) {
        range.start -= 1;
    }
    while !text.is_char_boundary(range.end) {
        range.end += 1;
    }
    range
}

/// What is wrong with a value, before it is known where it stands.
#[derive(Debug)]
pub(super) struct Flaw {
    message: String,
    help: Option<String>,
}

impl Flaw {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl<E: std::error::Error> From<E> for Flaw {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl Problem {
    /// A problem of a file as a whole, or of the directory.
    pub(super) fn whole(file: &Path, flaw: Flaw) -> Self {
        Self { file: file.to_owned(), place: None, message: flaw.message, help: flaw.help }
    }

    pub(super) fn at(file: &Path, text: &str, span: &Range<usize>, flaw: Flaw) -> Self {
        Self { place: Some(Place::new(text, span)), ..Self::whole(file, flaw) }
    }
}

impl Report {
    /// The report, unless there is nothing to report.
    pub(super) fn of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::new(problems)) }
    }

    /// The report of these problems, of which there is at least one.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            let key = |p: &Problem| p.place.as_ref().map(|place| (place.line, place.column));
            (&a.file, key(a)).cmp(&(&b.file, key(b)))
        });
        Self { problems }
    }

    /// The problems, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The report as a person reads it, coloured for a terminal that shows colours.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out: Vec<String> = self.problems.iter().map(|problem| render(&renderer, problem)).collect();
        if self.problems.len() > 1 {
            let mut files: Vec<&PathBuf> = self.problems.iter().map(|problem| &problem.file).collect();
            files.dedup();
            let several = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
            let title = format!("{} problems in {several}", self.problems.len());
            out.push(renderer.render(&[Group::with_title(Level::ERROR.primary_title(title))]));
        }
        out.join("\n\n")
    }
}

fn render(renderer: &Renderer, problem: &Problem) -> String {
    let path = problem.file.to_string_lossy();
    let title = Level::ERROR.primary_title(normalize_untrusted_str(&problem.message));
    let group = match &problem.place {
        Some(Place { line, shown, mark, .. }) => title.element(
            Snippet::source(shown.as_str())
                .line_start(*line)
                .path(path)
                .annotation(AnnotationKind::Primary.span(mark.clone())),
        ),
        None => title.element(Origin::path(path)),
    };
    let help = problem.help.as_deref().map(|help| Level::HELP.message(normalize_untrusted_str(help)));
    renderer.render(&[group.elements(help)])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The candidate that someone who wrote `word` most likely meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
