//! One file: its text, the tree of what stands where, and what is wrong with it.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Flaw, Problem, nearest};
use super::{read, schema};

/// Where something stands, in bytes.
pub(super) type Span = Range<usize>;

/// One file.
pub(super) struct Document<'a> {
    pub(super) file: &'a Path,
    text: &'a str,
    root: DeTable<'a>,
    is_toml: bool,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Document<'a> {
    /// Parses a file; one that is no TOML has its problems, and reads as nothing.
    pub(super) fn parse(file: &'a Path, text: &'a str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut this = Self { file, text, root: root.into_inner(), is_toml: errors.is_empty(), problems: Vec::new() };
        for error in errors {
            let span = error.span().unwrap_or_default();
            let problem = Problem::at(file, text, &span, Flaw::new(format!("this is no TOML: {}", error.message())));
            // What follows on the same line follows from the first error.
            let line = |problem: &Problem| problem.place.as_ref().map(|place| place.line);
            if this.problems.iter().all(|earlier| line(earlier) != line(&problem)) {
                this.problems.push(problem);
            }
        }
        this
    }

    /// Reads the file by its schema. What is wrong is reported and left out; there is no `T` if it cannot do without.
    pub(super) fn read<T: DeserializeOwned>(&mut self, schema: &Value) -> Option<T> {
        if !self.is_toml {
            return None;
        }
        let Self { file, text, root, problems, .. } = self;
        let mut report = |span: Span, flaw| problems.push(Problem::at(file, text, &span, flaw));
        let value = read::table(schema, root, &mut report)?;
        match serde_json::from_value(value) {
            Ok(read) => Some(read),
            // A key without which there is no `T` is missing or wrong, which has been reported.
            Err(_) if !problems.is_empty() => None,
            // What serde says might quote a value.
            Err(_) => {
                problems.push(Problem::whole(file, Flaw::new("the schema and pullmint disagree about this file")));
                None
            }
        }
    }

    /// Reports a problem at a place, or of the whole file.
    pub(super) fn report(&mut self, span: Option<Span>, flaw: Flaw) {
        self.problems.push(match span {
            Some(span) => Problem::at(self.file, self.text, &span, flaw),
            None => Problem::whole(self.file, flaw),
        });
    }

    /// Where a key of the file's top stands. A key with a wrong value stands there, too.
    pub(super) fn key(&self, key: &str) -> Option<Span> {
        self.root.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Where a key of a table stands.
    pub(super) fn inner_key(&self, table: &str, key: &str) -> Option<Span> {
        match self.root.get(table)?.get_ref() {
            DeValue::Table(table) => table.get_key_value(key).map(|(key, _)| key.span()),
            _ => None,
        }
    }

    /// Where the value of a key stands.
    pub(super) fn value(&self, key: &str) -> Option<Span> {
        self.root.get(key).map(Spanned::span)
    }

    /// Whether a key is absent from the file's top, and not merely mistyped, which has been reported as that.
    pub(super) fn lacks(&self, key: &str) -> bool {
        let meant = |other: &str| !schema::is_known_key(other) && nearest(other, [key]).is_some();
        !self.root.contains_key(key) && !self.root.keys().any(|other| meant(other.get_ref()))
    }

    /// Whether a list is absent or empty.
    pub(super) fn lists_nothing(&self, key: &str) -> bool {
        match self.root.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(items)) => items.is_empty(),
            Some(_) => false,
            None => self.lacks(key),
        }
    }

    /// Where an item of a list stands.
    pub(super) fn item(&self, key: &str, item: &str) -> Option<Span> {
        match self.root.get(key)?.get_ref() {
            DeValue::Array(items) => items.iter().find(|it| it.get_ref().as_str() == Some(item)).map(Spanned::span),
            _ => None,
        }
    }
}
