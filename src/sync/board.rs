//! Where everything stands: the syncer's memory, put in order for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::status::{CopyState, CopyStatus, NAMESPACES_SHOWN, NamespaceStatus, SecretStatus};
use crate::sync::decide::Observed;
use crate::sync::summary::{Board, State};
use crate::sync::{Key, Syncer};

impl Syncer {
    /// Looks at everything once.
    pub(super) fn board(&self) -> Board {
        let mut secrets: Vec<_> = (0..self.plan.secrets.len()).map(|place| self.empty(place)).collect();
        let mut troubled: BTreeMap<&Arc<str>, bool> = BTreeMap::new();
        for (key, memory) in &self.memory {
            let (Key::Secret(place, namespace), Some(state)) = (key, &memory.state) else { continue };
            count(&mut secrets[*place], state, self.secrets[*place].get(namespace), memory.confirmed_at);
            *troubled.entry(namespace).or_default() |= *state != State::InSync;
        }
        secrets.retain(|secret| !secret.registries.is_empty() || has_copies(secret));
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        let first = troubled.iter().filter(|(_, troubled)| **troubled);
        let then = troubled.iter().filter(|(_, troubled)| !**troubled);
        let shown = first.chain(then).take(NAMESPACES_SHOWN).map(|(namespace, _)| self.namespace(namespace));
        Board { secrets, namespaces: shown.collect(), namespaces_total: troubled.len() }
    }

    fn namespace(&self, name: &Arc<str>) -> NamespaceStatus {
        let copy = |place: usize| {
            let state = self.memory.get(&Key::Secret(place, Arc::clone(name)))?.state.as_ref()?;
            Some(copy(&self.plan.secrets[place], state, self.secrets[place].get(name)))
        };
        let mut secrets: Vec<_> = (0..self.plan.secrets.len()).filter_map(copy).collect();
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        NamespaceStatus { name: name.to_string(), secrets }
    }

    fn empty(&self, place: usize) -> SecretStatus {
        SecretStatus {
            name: self.plan.secrets[place].clone(),
            registries: self.plan.registries(place).cloned().collect(),
            in_sync: 0,
            waiting: 0,
            refused: 0,
            failing: 0,
            lowest_expires_at: None,
            last_synced_at: None,
        }
    }
}

fn copy(name: &str, state: &State, observed: Option<&Observed>) -> CopyStatus {
    let (state, problem) = match state {
        State::InSync => (CopyState::InSync, None),
        State::Waiting(why) => (CopyState::Waiting, Some(why.clone())),
        State::Refused(why) => (CopyState::Refused, Some(why.clone())),
        State::Failing(why) => (CopyState::Failing, Some(why.clone())),
    };
    CopyStatus { name: name.to_owned(), state, expires_at: first_expiry(observed), problem }
}

fn count(secret: &mut SecretStatus, state: &State, observed: Option<&Observed>, confirmed_at: Option<Timestamp>) {
    match state {
        State::InSync => {
            secret.in_sync += 1;
            secret.last_synced_at = earlier(secret.last_synced_at, confirmed_at);
        }
        State::Waiting(_) => secret.waiting += 1,
        // What somebody else has written there says nothing of ours.
        State::Refused(_) => return secret.refused += 1,
        State::Failing(_) => secret.failing += 1,
    }
    secret.lowest_expires_at = earlier(secret.lowest_expires_at, first_expiry(observed));
}

fn first_expiry(observed: Option<&Observed>) -> Option<Timestamp> {
    observed?.entries.iter().filter_map(|(_, entry)| entry.expiry.instant()).min()
}

fn has_copies(secret: &SecretStatus) -> bool {
    secret.in_sync + secret.waiting + secret.refused + secret.failing > 0
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
