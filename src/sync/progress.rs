//! How the syncer tells how far it has come.

use std::time::Duration;

use tracing::{info, warn};

use crate::keeper::slot::Coverage;
use crate::sync::summary::{ObjectName, State, Summary};
use crate::sync::table::Table;
use crate::sync::{Key, Syncer, now};

/// Between two reports while work goes on.
const REPORT_EVERY: Duration = Duration::from_millis(100);

impl Syncer {
    /// Notes how the object stands; `None` when nothing of ours belongs there.
    pub(super) fn set_state(&mut self, key: &Key, state: Option<State>) {
        let Some(state) = state else {
            let before = self.memory.remove(key).and_then(|memory| memory.state);
            return self.count(key, before.as_ref(), None);
        };
        let name = self.name_of(key);
        let memory = self.memory.entry(key.clone()).or_default();
        if memory.state.as_ref() != Some(&state) {
            if let State::Refused(why) = &state {
                warn!(object = %name, why, "refused");
            }
            let before = memory.state.replace(state.clone());
            self.count(key, before.as_ref(), Some(&state));
        }
        if state == State::InSync {
            self.memory.entry(key.clone()).or_default().setbacks = 0;
        }
    }

    /// Receivers are woken by [`Syncer::report`], not by each of ten thousand keys.
    fn count(&mut self, key: &Key, before: Option<&State>, after: Option<&State>) {
        self.news |= before != after;
        self.summary.send_if_modified(|summary| {
            summary.replace(|| self.name_of(key), before, after);
            false
        });
    }

    pub(super) fn name_of(&self, key: &Key) -> ObjectName {
        let (kind, namespace, name) = match key {
            Key::Secret(place, namespace) => ("Secret", namespace, &self.plan.secrets[*place]),
            Key::Account(place, namespace) => ("ServiceAccount", namespace, &self.plan.accounts[*place]),
        };
        ObjectName { kind, namespace: namespace.to_string(), name: name.clone() }
    }

    /// Tells how far it has come, whenever work begins or ends, and now and then in between.
    pub(super) fn report(&mut self) {
        let listed = self.namespaces.is_listed()
            && self.secrets.iter().all(Table::is_listed)
            && self.accounts.iter().all(Table::is_listed);
        let settled = listed && self.queue.is_idle();
        let was_settled = self.summary.borrow().settled;
        let now = now();
        let due = now >= self.next_report && (self.news || !settled);
        if settled == was_settled && !due {
            return;
        }
        self.next_report = now + REPORT_EVERY;
        self.news = false;
        if settled {
            self.announce();
        }
        let (queued, writes) = (self.queue.load(), self.writes);
        self.summary.send_modify(|summary| {
            summary.settled = settled;
            summary.queued = queued;
            summary.writes = writes;
        });
    }

    /// Everything has been looked at: tells which credentials are everywhere now.
    fn announce(&mut self) {
        let secret_of = |key: &Key| match key {
            Key::Secret(place, _) => Some(*place),
            Key::Account(..) => None,
        };
        let behind = |state: &Option<State>| matches!(state, Some(State::Failing(_) | State::Waiting(_)));
        let lagging: Vec<_> = self
            .memory
            .iter()
            .filter(|(_, memory)| behind(&memory.state))
            .filter_map(|(key, _)| secret_of(key))
            .collect();
        let complete = (0..self.plan.secrets.len()).filter(|place| !lagging.contains(place)).collect();
        let in_force: Coverage = self.plan.in_force(&complete).collect();
        self.coverage.send_if_modified(|coverage| {
            let news = *coverage != in_force;
            *coverage = in_force;
            news
        });
        if self.announced != Some(self.writes) {
            let Summary { in_sync, waiting, refused, failing, .. } = *self.summary.borrow();
            let writes = self.writes - self.announced.unwrap_or_default();
            info!(writes, in_sync, waiting, refused, failing, "all is written");
            self.announced = Some(self.writes);
        }
    }
}
