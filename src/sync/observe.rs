//! How what happens outside becomes what the syncer knows: watch events and renewed credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::sync::accounts::Account;
use crate::sync::decide::Observed;
use crate::sync::desired::Picks;
use crate::sync::queue::Urgency;
use crate::sync::sources::{Change, Source};
use crate::sync::summary::State;
use crate::sync::{Key, Place, Strange, Syncer, manifest, now};

impl Syncer {
    /// Takes in renewed credentials, and looks at everything that holds them.
    pub(super) fn refresh(&mut self) {
        self.news = true;
        for secret in self.plan.refresh() {
            self.push_all(|namespace| Key::Secret(secret, namespace));
        }
    }

    pub(super) fn push_all(&mut self, key: impl Fn(Arc<str>) -> Key) {
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
                let awaited = self.awaited(&name, &picks);
                self.namespaces.put(Arc::clone(&name), Place { picks, leaving, awaited });
                self.push_namespace(&name);
            }
            Change::Secret(place, namespace, secret) => {
                let observed = manifest::observe(&secret, &self.setting.owner);
                self.see_secret(place, namespace, observed);
            }
            Change::Account(place, namespace, account) => {
                self.see_account(place, namespace, Account::from(*account));
            }
            Change::Gone(source, name) => self.gone(source, &name),
            Change::Refused(source, why) => self.refuse(source, why),
        }
    }

    /// The Secrets that a namespace that is selected so waits for: what it waited for before, and what came to be wanted.
    fn awaited(&self, name: &str, picks: &Picks) -> BTreeMap<usize, Instant> {
        let known = self.namespaces.get(name);
        let before = |secret| known.and_then(|known| known.awaited.get(&secret).copied());
        let is_new = |secret| known.is_none_or(|known| !self.plan.belongs(secret, &known.picks));
        let from_now = |secret| (self.namespaces.is_listed() && is_new(secret)).then(now);
        let wanted = (0..self.plan.secrets.len()).filter(|secret| self.plan.belongs(*secret, picks));
        wanted.filter_map(|secret| Some((secret, before(secret).or_else(|| from_now(secret))?))).collect()
    }

    fn begin(&mut self, source: Source) {
        match source {
            Source::Namespaces => self.namespaces.begin(),
            Source::Secrets(place) => self.secrets[place].begin(),
            Source::Accounts(place) => self.accounts[place].begin(),
        }
    }

    fn finish(&mut self, source: Source) {
        self.refused.remove(&source);
        self.news = true;
        let gone = match source {
            Source::Namespaces => self.namespaces.finish(),
            Source::Secrets(place) => self.secrets[place].finish(),
            Source::Accounts(place) => self.accounts[place].finish(),
        };
        for name in gone {
            self.gone(source, &name);
        }
        match source {
            Source::Namespaces => self.push_everything(),
            Source::Secrets(place) => {
                self.push_all(|namespace| Key::Secret(place, namespace));
                self.push_observed();
            }
            Source::Accounts(place) => {
                self.push_all(|namespace| Key::Account(place, namespace));
                self.push_observed();
            }
        }
    }

    /// Everything that is wanted, and everything that is there.
    pub(super) fn push_everything(&mut self) {
        for place in 0..self.plan.secrets.len() {
            self.push_all(|namespace| Key::Secret(place, namespace));
        }
        for place in 0..self.plan.accounts.len() {
            self.push_all(|namespace| Key::Account(place, namespace));
        }
        self.push_observed();
    }

    /// What is there may have to go, wherever it is; and what is told of others may not be true any more.
    fn push_observed(&mut self) {
        for (key, _) in self.memory.iter().filter(|(_, memory)| memory.state.is_some()) {
            self.queue.push(key.clone(), Urgency::Bulk);
        }
        for (place, table) in self.secrets.iter().enumerate() {
            for (namespace, _) in table.iter() {
                self.queue.push(Key::Secret(place, Arc::clone(namespace)), Urgency::Bulk);
            }
        }
        for (place, table) in self.accounts.iter().enumerate() {
            for (namespace, _) in table.iter().filter(|(_, account)| !account.added.is_empty()) {
                self.queue.push(Key::Account(place, Arc::clone(namespace)), Urgency::Bulk);
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
                let uid = self.secrets[place].remove(name).map(|secret| secret.uid);
                let key = Key::Secret(place, Arc::clone(name));
                if let Some(memory) = self.memory.get_mut(&key)
                    && memory.state == Some(State::InSync)
                {
                    memory.strange.get_or_insert_with(|| Box::new(Strange { since: now(), by: None }));
                }
                self.bury(key, uid);
            }
            Source::Accounts(place) => {
                let uid = self.accounts[place].remove(name).map(|account| account.uid);
                self.bury(Key::Account(place, Arc::clone(name)), uid);
            }
        }
    }

    /// The answer to a write that is in flight may come later than the news that the object is gone again, and must not
    /// bring it back to life in our eyes.
    fn bury(&mut self, key: Key, uid: Option<String>) {
        if self.queue.is_busy(&key) {
            self.memory.entry(key.clone()).or_default().buried = uid;
        }
        self.queue.push(key, Urgency::Change);
    }

    /// An event that tells of an older version than we know already, as one of before our own write, is passed over.
    pub(super) fn see_secret(&mut self, place: usize, namespace: Arc<str>, seen: Observed) {
        let table = &mut self.secrets[place];
        let is_known =
            |known: &Observed| known.uid == seen.uid && is_older(&seen.resource_version, &known.resource_version);
        if table.get(&namespace).is_some_and(is_known) {
            table.touch(&namespace);
            return;
        }
        table.put(Arc::clone(&namespace), seen);
        self.queue.push(Key::Secret(place, namespace), Urgency::Change);
    }

    /// The same for a ServiceAccount.
    pub(super) fn see_account(&mut self, place: usize, namespace: Arc<str>, seen: Account) {
        let table = &mut self.accounts[place];
        let is_known =
            |known: &Account| known.uid == seen.uid && is_older(&seen.resource_version, &known.resource_version);
        if table.get(&namespace).is_some_and(is_known) {
            table.touch(&namespace);
            return;
        }
        table.put(Arc::clone(&namespace), seen);
        self.queue.push(Key::Account(place, namespace), Urgency::Change);
    }
}

/// Versions of one object can be compared as numbers (Kubernetes API conventions, from 1.35 on by contract; etcd's
/// revisions before). Where they are no numbers, every event counts as newer.
fn is_older(seen: &str, known: &str) -> bool {
    matches!((seen.parse::<u64>(), known.parse::<u64>()), (Ok(seen), Ok(known)) if seen < known)
}
