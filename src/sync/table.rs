//! What a watch has shown, kept through its re-lists.

use std::collections::HashMap;
use std::sync::Arc;

/// Objects by namespace (or, for namespaces themselves, by name).
///
/// A watch that starts over lists everything anew; what is not in that list has gone meanwhile.
#[derive(Debug)]
pub(super) struct Table<V> {
    rows: HashMap<Arc<str>, Row<V>>,
    round: u32,
    listed: bool,
}

#[derive(Debug)]
struct Row<V> {
    value: V,
    round: u32,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), round: 0, listed: false }
    }
}

impl<V> Table<V> {
    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// The list is complete. Returns the names of what it did not contain any more, for [`Table::remove`].
    pub(super) fn finish(&mut self) -> Vec<Arc<str>> {
        self.listed = true;
        let unseen = self.rows.iter().filter(|(_, row)| row.round != self.round);
        unseen.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Absence means nothing until the next list is complete.
    pub(super) fn forget_listing(&mut self) {
        self.listed = false;
    }

    /// Whether a list has been complete at least once, so that absence means something.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// The object is there.
    pub(super) fn put(&mut self, name: Arc<str>, value: V) {
        self.rows.insert(name, Row { value, round: self.round });
    }

    /// The object is still there.
    pub(super) fn touch(&mut self, name: &str) {
        if let Some(row) = self.rows.get_mut(name) {
            row.round = self.round;
        }
    }

    /// The object is gone. Returns what was known of it.
    pub(super) fn remove(&mut self, name: &str) -> Option<V> {
        self.rows.remove(name).map(|row| row.value)
    }

    /// The object, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.rows.get(name).map(|row| &row.value)
    }

    /// The object, to note something about it.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.rows.get_mut(name).map(|row| &mut row.value)
    }

    /// All objects, to note something about each.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut V)> {
        self.rows.iter_mut().map(|(name, row)| (name, &mut row.value))
    }

    /// All objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.rows.iter().map(|(name, row)| (name, &row.value))
    }
}
