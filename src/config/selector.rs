//! Label selectors as Kubernetes writes them: `team=web,env in (dev,prod),!legacy`.
//!
//! kube has the expressions and their matching, but no parser: its selectors come from objects, ours from a file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kube::core::{Expression, SelectorExt};

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(kube::core::Selector);

/// Why a text is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// A requirement has none of the possible forms.
    #[error("`{0}` is no requirement: expected `key`, `!key`, `key=value`, `key!=value` or `key in (a,b)`")]
    Requirement(String),
    /// A key is malformed.
    #[error("`{0}` is no label key")]
    Key(String),
    /// A value is malformed.
    #[error("`{0}` is no label value")]
    Value(String),
}

impl Selector {
    /// Parses a selector; an empty one selects everything.
    ///
    /// # Errors
    /// If Kubernetes would refuse it, too.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        text.parse()
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(requirements(text).map(requirement).collect::<Result<_, _>>()?))
    }
}

/// Splits at the commas outside of parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside = (inside || c == '(') && c != ')';
        c == ',' && !inside
    })
}

fn requirement(text: &str) -> Result<Expression, InvalidSelector> {
    let text = text.trim();
    if let Some(absent) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(key(absent)?));
    }
    if let Some((name, is)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(key(name)?, value(is)?));
    }
    if let Some((name, is)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Expression::Equal(key(name)?, value(is)?));
    }
    let Some((name, set)) = text.split_once(|c: char| c.is_whitespace()) else {
        return Ok(Expression::Exists(key(text)?));
    };
    let set = set.trim_start();
    let (set, is_in) = match (set.strip_prefix("in"), set.strip_prefix("notin")) {
        (Some(set), _) => (set, true),
        (_, Some(set)) => (set, false),
        _ => return Err(InvalidSelector::Requirement(text.to_owned())),
    };
    let values = set.trim().strip_prefix('(').and_then(|set| set.strip_suffix(')'));
    let values = values.ok_or_else(|| InvalidSelector::Requirement(text.to_owned()))?;
    let values = values.split(',').map(value).collect::<Result<_, _>>()?;
    let name = key(name)?;
    Ok(if is_in { Expression::In(name, values) } else { Expression::NotIn(name, values) })
}

/// `PREFIX/NAME` or `NAME`; the prefix is a DNS subdomain.
fn key(text: &str) -> Result<String, InvalidSelector> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let lower = |part: &str| !part.chars().any(|c| c.is_ascii_uppercase() || c == '_');
    let prefix =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(|part| is_name(part) && lower(part)));
    if prefix && is_name(name) { Ok(text.to_owned()) } else { Err(InvalidSelector::Key(text.to_owned())) }
}

fn value(text: &str) -> Result<String, InvalidSelector> {
    let text = text.trim();
    if text.is_empty() || is_name(text) { Ok(text.to_owned()) } else { Err(InvalidSelector::Value(text.to_owned())) }
}

fn is_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_form_selects_as_kubernetes_does() {
        let web = labels(&[("team", "web"), ("env", "dev"), ("example.com/tier", "")]);
        for selects in [
            "",
            " ",
            "team",
            "team=web",
            "team == web",
            "team!=api",
            "absent!=api",
            "!absent",
            "! absent",
            "env in (dev,prod)",
            "env  in(dev , prod)",
            "env notin (prod)",
            "absent notin (x)",
            "example.com/tier=",
            "team=web,env in (dev,prod),!legacy",
        ] {
            assert!(Selector::parse(selects).expect(selects).matches(&web), "{selects}");
        }
        for spares in ["team=api", "absent", "!team", "env in (prod)", "env notin (dev,prod)", "team=web,env=prod"] {
            assert!(!Selector::parse(spares).expect(spares).matches(&web), "{spares}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for refused in [
            ",",
            "a=b,",
            "team=a b",
            "in (a)",
            "env in dev",
            "env in (dev",
            "env of (dev)",
            "-a=b",
            "a/b/c",
            "A.com/x_",
            "x=-",
            "a=b=c",
            "Upper.io/x",
        ] {
            assert!(Selector::parse(refused).is_err(), "{refused}");
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let (key, value) = ("([a-c]\\.io/)?[a-z]([a-z._-]{0,3}[a-z])?", "([A-Za-z0-9]([a-z._-]{0,3}[0-9])?)?");
        let set =
            prop::collection::btree_set(value, 1..4).prop_map(|set| set.into_iter().collect::<Vec<_>>().join(","));
        (key, value, set, 0..6).prop_map(|(key, value, set, form)| match form {
            0 => key,
            1 => format!("!{key}"),
            2 => format!("{key}={value}"),
            3 => format!("{key}!={value}"),
            4 => format!("{key} in ({set})"),
            _ => format!("{key} notin ({set})"),
        })
    }

    proptest! {
        #[test]
        fn a_selector_reads_back_as_it_was_written(parts in prop::collection::vec(expression(), 0..5)) {
            let text = parts.join(",");
            prop_assert_eq!(Selector::parse(&text).expect("valid").to_string(), text);
        }

        #[test]
        fn whatever_is_taken_means_the_same_when_read_again(text in "[a-c!=,() ./]{0,16}|.{0,24}") {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
