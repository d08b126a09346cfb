//! Where everything stands: the syncer's memory, put in order for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::status::{
    CopyState, CopyStatus, Counts, NAMESPACES_SHOWN, NamespaceStatus, SecretStatus, ServiceAccountStatus,
};
use crate::sync::decide::{Observed, Owner};
use crate::sync::summary::{Board, State};
use crate::sync::{Key, Syncer};

impl Syncer {
    /// Looks at everything once.
    pub(super) fn board(&self) -> Board {
        let mut secrets: Vec<_> = (0..self.plan.secrets.len()).map(|place| self.secret_without_copies(place)).collect();
        let mut accounts: Vec<_> = self.plan.accounts.iter().map(|name| account_without_copies(name)).collect();
        let mut troubled: BTreeMap<&Arc<str>, bool> = BTreeMap::new();
        for (key, memory) in &self.memory {
            let Some(state) = &memory.state else { continue };
            let namespace = match key {
                Key::Secret(place, namespace) => {
                    count(&mut secrets[*place], state, self.secrets[*place].get(namespace), memory.confirmed_at);
                    namespace
                }
                Key::Account(place, namespace) => {
                    accounts[*place].copies.add(state.kind());
                    namespace
                }
            };
            *troubled.entry(namespace).or_default() |= *state != State::InSync;
        }
        secrets.retain(|secret| !secret.registries.is_empty() || secret.copies != Counts::default());
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        accounts.retain(|account| self.plan.is_claimed(&account.name) || account.copies != Counts::default());
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let first = || troubled.iter().filter(|(_, troubled)| **troubled);
        let then = troubled.iter().filter(|(_, troubled)| !**troubled);
        let shown = first().chain(then).take(NAMESPACES_SHOWN).map(|(namespace, _)| self.namespace(namespace));
        Board {
            secrets,
            service_accounts: accounts,
            namespaces: shown.collect(),
            namespaces_total: troubled.len(),
            namespaces_troubled: first().count(),
        }
    }

    fn namespace(&self, name: &Arc<str>) -> NamespaceStatus {
        let state = |key: Key| self.memory.get(&key).and_then(|memory| memory.state.as_ref());
        let secrets = self.plan.secrets.iter().enumerate().filter_map(|(place, secret)| {
            let state = state(Key::Secret(place, Arc::clone(name)))?;
            Some(copy(secret, state, self.secrets[place].get(name)))
        });
        let accounts = self.plan.accounts.iter().enumerate().filter_map(|(place, account)| {
            let state = state(Key::Account(place, Arc::clone(name)))?;
            Some(copy(account, state, None))
        });
        NamespaceStatus { name: name.to_string(), secrets: in_order(secrets), service_accounts: in_order(accounts) }
    }

    fn secret_without_copies(&self, place: usize) -> SecretStatus {
        SecretStatus {
            name: self.plan.secrets[place].clone(),
            registries: self.plan.registries(place).cloned().collect(),
            copies: Counts::default(),
            lowest_expires_at: None,
            last_synced_at: None,
        }
    }
}

fn account_without_copies(name: &str) -> ServiceAccountStatus {
    ServiceAccountStatus { name: name.to_owned(), copies: Counts::default() }
}

fn in_order(copies: impl Iterator<Item = CopyStatus>) -> Vec<CopyStatus> {
    let mut copies: Vec<_> = copies.collect();
    copies.sort_by(|a, b| a.name.cmp(&b.name));
    copies
}

fn copy(name: &str, state: &State, observed: Option<&Observed>) -> CopyStatus {
    CopyStatus {
        name: name.to_owned(),
        state: state.kind(),
        expires_at: first_expiry(observed),
        problem: state.problem().map(str::to_owned),
    }
}

fn count(secret: &mut SecretStatus, state: &State, observed: Option<&Observed>, confirmed_at: Option<Timestamp>) {
    secret.copies.add(state.kind());
    if state.kind() == CopyState::InSync {
        secret.last_synced_at = earlier(secret.last_synced_at, confirmed_at);
    }
    // What somebody else has written there says nothing of ours; and of what should be gone nobody waits for more.
    if state.kind() == CopyState::LeftOver || observed.is_some_and(|observed| observed.owner != Owner::Us) {
        return;
    }
    secret.lowest_expires_at = earlier(secret.lowest_expires_at, first_expiry(observed));
}

fn first_expiry(observed: Option<&Observed>) -> Option<Timestamp> {
    observed?.entries.iter().filter_map(|(_, entry)| entry.expiry.instant()).min()
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
