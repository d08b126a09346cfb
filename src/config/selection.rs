//! Which namespaces a registry's Secret goes to, ready to be asked, and whether two selections can meet.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet};

use super::selector::{InvalidSelector, Selector};
use super::settings::NamespaceSelection;

/// A [`NamespaceSelection`] with its globs and its selector compiled.
#[derive(Clone, Debug)]
pub struct CompiledSelection {
    include: GlobSet,
    exclude: GlobSet,
    selector: Selector,
}

/// Why a selection cannot be compiled. One from a loaded configuration always can.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidSelection {
    /// A glob is malformed.
    #[error(transparent)]
    Glob(#[from] globset::Error),
    /// The label selector is malformed.
    #[error(transparent)]
    Selector(#[from] InvalidSelector),
}

impl CompiledSelection {
    /// Compiles a selection.
    ///
    /// # Errors
    /// If a glob or the selector is malformed.
    pub fn new(selection: &NamespaceSelection) -> Result<Self, InvalidSelection> {
        let set = |globs: &[String]| {
            let mut set = GlobSet::builder();
            for glob in globs {
                set.add(Glob::new(glob)?);
            }
            set.build()
        };
        Ok(Self {
            include: set(&selection.include)?,
            exclude: set(&selection.exclude)?,
            selector: selection.selector.parse()?,
        })
    }

    /// Whether a namespace of this name and with these labels is selected.
    #[must_use]
    pub fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.admits(name) && self.selector.matches(labels)
    }

    fn admits(&self, name: &str) -> bool {
        self.include.is_match(name) && !self.exclude.is_match(name)
    }
}

/// Whether some namespace may be selected by both. Where names alone do not rule it out, labels may change: yes.
pub(super) fn may_meet(a: &NamespaceSelection, b: &NamespaceSelection) -> bool {
    let is_literal = |glob: &String| !glob.contains(['*', '?', '[', ']', '{', '}', '\\']);
    let (Ok(in_a), Ok(in_b)) = (CompiledSelection::new(a), CompiledSelection::new(b)) else { return true };
    let both = |name: &String| in_a.admits(name) && in_b.admits(name);
    match [a, b].into_iter().find(|selection| selection.include.iter().all(is_literal)) {
        Some(named) => named.include.iter().any(both),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str], selector: &str) -> NamespaceSelection {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        NamespaceSelection { include: owned(include), exclude: owned(exclude), selector: selector.to_owned() }
    }

    #[test]
    fn exclude_is_stronger_than_include_and_the_selector_adds_to_both() {
        let team = CompiledSelection::new(&selection(&["team-*"], &["*-x"], "env=prod")).expect("valid");
        let prod = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        assert!(team.selects("team-a", &prod));
        assert!(!team.selects("team-a", &BTreeMap::new()));
        assert!(!team.selects("team-x", &prod));
        assert!(!team.selects("other", &prod));
    }

    #[test]
    fn only_names_can_keep_two_selections_apart() {
        let meet = |a: &[&str], b: &[&str]| may_meet(&selection(a, &["kube-*"], "t=a"), &selection(b, &[], "t=b"));
        assert!(meet(&["*"], &["*"]));
        assert!(meet(&["a", "b"], &["b", "c"]));
        assert!(!meet(&["a", "b"], &["c"]));
        assert!(meet(&["a-*"], &["a-1"]));
        assert!(!meet(&["a-*"], &["b-1"]));
        assert!(meet(&["a-*"], &["b-*"]));
        assert!(!meet(&["*"], &["kube-system"]));
        assert!(!meet(&["*"], &[]));
    }
}
