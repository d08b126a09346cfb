//! Names that the watches do not show: those that the API server refuses to list, and those that nobody claims any more.

use crate::sync::decide::Owner;
use crate::sync::sources::{Source, Sources};
use crate::sync::summary::State;
use crate::sync::table::Table;
use crate::sync::{Key, Syncer};

impl Syncer {
    /// The API server refuses to list what the source is about. Where it had listed it before, what was seen then still
    /// holds as well as anybody knows.
    pub(super) fn refuse(&mut self, source: Source, why: String) {
        if self.is_seen(source) || self.refused.get(&source) == Some(&why) {
            return;
        }
        self.refused.insert(source, why);
        self.news = true;
        match source {
            Source::Namespaces => {}
            Source::Secrets(place) => self.push_all(|namespace| Key::Secret(place, namespace)),
            Source::Accounts(place) => self.push_all(|namespace| Key::Account(place, namespace)),
        }
    }

    /// Notes why the object cannot be looked at, if it is wanted and that is known.
    pub(super) fn note_unseen(&mut self, key: &Key) {
        let (Key::Secret(_, namespace) | Key::Account(_, namespace)) = key;
        let place = self.namespaces.get(namespace).filter(|place| !place.leaving);
        let is_wanted = place.is_some_and(|place| match key {
            Key::Secret(secret, _) => !self.plan.wanted(*secret, &place.picks).is_empty(),
            Key::Account(account, _) => !self.plan.wanted_by_account(*account, &place.picks).is_empty(),
        });
        let why = self.refused.get(&source_of(key)).filter(|_| is_wanted);
        let state = why.map(|why| State::Failing(why.clone()));
        self.set_state(key, state);
    }

    /// Whether absence means something.
    fn is_seen(&self, source: Source) -> bool {
        match source {
            Source::Namespaces => self.namespaces.is_listed(),
            Source::Secrets(place) => self.secrets[place].is_listed(),
            Source::Accounts(place) => self.accounts[place].is_listed(),
        }
    }

    /// Whether everything that is claimed has been listed, or cannot be: nobody waits for a name that is refused.
    pub(super) fn is_listed(&self) -> bool {
        let secrets = self.plan.watched_secrets().map(|(place, _)| Source::Secrets(place));
        let accounts = self.plan.watched_accounts().map(|(place, _)| Source::Accounts(place));
        let is_known = |source| self.is_seen(source) || self.refused.contains_key(&source);
        self.namespaces.is_listed() && secrets.chain(accounts).all(is_known)
    }

    /// Why nothing can be looked at: without the namespaces nothing is known to belong anywhere.
    pub(super) fn blocked(&self) -> Option<&String> {
        self.refused.get(&Source::Namespaces)
    }

    /// Ends the watches of names that nobody claims any more, once nothing of ours is left under them. Not while writes
    /// are in flight, which may still leave something.
    pub(super) fn let_go(&mut self, sources: &mut Sources) {
        let is_active = *self.setting.active.borrow();
        let unclaimed: Vec<_> = sources.running().filter(|source| !self.is_claimed(*source)).collect();
        for source in unclaimed {
            let is_at_work = is_active && self.memory.keys().any(|key| source_of(key) == source);
            if is_at_work || self.holds_ours(source) {
                continue;
            }
            sources.end(source);
            self.refused.remove(&source);
            match source {
                Source::Namespaces => {}
                Source::Secrets(place) => self.secrets[place] = Table::default(),
                Source::Accounts(place) => self.accounts[place] = Table::default(),
            }
        }
    }

    fn is_claimed(&self, source: Source) -> bool {
        match source {
            Source::Namespaces => true,
            Source::Secrets(place) => self.plan.watched_secrets().any(|(claimed, _)| claimed == place),
            Source::Accounts(place) => self.plan.watched_accounts().any(|(claimed, _)| claimed == place),
        }
    }

    /// Whether something of ours is known to be there, or may be: before the list is complete nobody knows.
    fn holds_ours(&self, source: Source) -> bool {
        if !self.is_seen(source) {
            return !self.refused.contains_key(&source);
        }
        match source {
            Source::Namespaces => true,
            Source::Secrets(place) => self.secrets[place].iter().any(|(_, secret)| secret.owner == Owner::Us),
            Source::Accounts(place) => self.accounts[place].iter().any(|(_, account)| !account.added.is_empty()),
        }
    }
}

fn source_of(key: &Key) -> Source {
    match key {
        Key::Secret(place, _) => Source::Secrets(*place),
        Key::Account(place, _) => Source::Accounts(*place),
    }
}
