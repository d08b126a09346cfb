//! How what happens outside becomes what the syncer knows: watch events and renewed credentials.

use std::sync::Arc;

use crate::sync::accounts::Account;
use crate::sync::decide::Observed;
use crate::sync::queue::Urgency;
use crate::sync::sources::{Change, Source};
use crate::sync::{Key, Place, Syncer, manifest};

impl Syncer {
    /// Takes in renewed credentials, and looks at everything that holds them.
    pub(super) fn refresh(&mut self) {
        for secret in self.plan.refresh() {
            self.push_all(|namespace| Key::Secret(secret, namespace));
        }
    }

    fn push_all(&mut self, key: impl Fn(Arc<str>) -> Key) {
        for (name, place) in self.namespaces.iter() {
            if place.picks.contains(&true) {
                self.queue.push(key(Arc::clone(name)), Urgency::Bulk);
            }
        }
    }

    pub(super) fn observe(&mut self, change: Change) {
        match change {
            Change::Begin(source) => self.begin(source),
            Change::Finish(source) => self.finish(source),
            Change::Namespace { name, labels, leaving } => {
                let picks = self.plan.picks(&name, &labels);
                self.namespaces.put(Arc::clone(&name), Place { picks, leaving });
                self.push_namespace(&name);
            }
            Change::Secret(place, namespace, secret) => {
                let observed = manifest::observe(&secret, &self.options.owner);
                self.see_secret(place, namespace, observed);
            }
            Change::Account(place, namespace, account) => {
                self.accounts[place].put(Arc::clone(&namespace), Account::from(*account));
                self.queue.push(Key::Account(place, namespace), Urgency::Change);
            }
            Change::Gone(source, name) => self.gone(source, &name),
        }
    }

    fn begin(&mut self, source: Source) {
        match source {
            Source::Namespaces => self.namespaces.begin(),
            Source::Secrets(place) => self.secrets[place].begin(),
            Source::Accounts(place) => self.accounts[place].begin(),
        }
    }

    fn finish(&mut self, source: Source) {
        let gone = match source {
            Source::Namespaces => self.namespaces.finish(),
            Source::Secrets(place) => self.secrets[place].finish(),
            Source::Accounts(place) => self.accounts[place].finish(),
        };
        for name in gone {
            self.gone(source, &name);
        }
        match source {
            Source::Namespaces => {
                for place in 0..self.plan.secrets.len() {
                    self.push_all(|namespace| Key::Secret(place, namespace));
                }
                for place in 0..self.plan.accounts.len() {
                    self.push_all(|namespace| Key::Account(place, namespace));
                }
                self.push_observed();
            }
            Source::Secrets(place) => {
                self.push_all(|namespace| Key::Secret(place, namespace));
                self.push_observed();
            }
            Source::Accounts(place) => self.push_all(|namespace| Key::Account(place, namespace)),
        }
    }

    /// What is there may have to go, wherever it is.
    fn push_observed(&mut self) {
        for (place, table) in self.secrets.iter().enumerate() {
            for (namespace, _) in table.iter() {
                self.queue.push(Key::Secret(place, Arc::clone(namespace)), Urgency::Bulk);
            }
        }
    }

    fn push_namespace(&mut self, name: &Arc<str>) {
        if !self.namespaces.is_listed() {
            return;
        }
        for place in 0..self.plan.secrets.len() {
            self.queue.push(Key::Secret(place, Arc::clone(name)), Urgency::Change);
        }
        for place in 0..self.plan.accounts.len() {
            self.queue.push(Key::Account(place, Arc::clone(name)), Urgency::Change);
        }
    }

    fn gone(&mut self, source: Source, name: &Arc<str>) {
        match source {
            Source::Namespaces => {
                self.namespaces.remove(name);
                self.push_namespace(name);
            }
            Source::Secrets(place) => {
                self.secrets[place].remove(name);
                self.queue.push(Key::Secret(place, Arc::clone(name)), Urgency::Change);
            }
            Source::Accounts(place) => self.accounts[place].remove(name),
        }
    }

    /// An event that tells of an older version than we know already, as one of before our own write, is passed over.
    pub(super) fn see_secret(&mut self, place: usize, namespace: Arc<str>, observed: Observed) {
        let known = self.secrets[place].get(&namespace);
        if known.is_some_and(|known| known.uid == observed.uid && is_older(&observed, known)) {
            self.secrets[place].touch(&namespace);
            return;
        }
        self.secrets[place].put(Arc::clone(&namespace), observed);
        self.queue.push(Key::Secret(place, namespace), Urgency::Change);
    }
}

/// Versions of one object can be compared as numbers (Kubernetes API conventions, from 1.35 on by contract; etcd's
/// revisions before). Where they are no numbers, every event counts as newer.
fn is_older(observed: &Observed, known: &Observed) -> bool {
    let number = |observed: &Observed| observed.resource_version.parse::<u64>().ok();
    matches!((number(observed), number(known)), (Some(seen), Some(known)) if seen < known)
}
