//! How the syncer tells how far it has come.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::keeper::slot::Coverage;
use crate::sync::incident::Incident;
use crate::sync::summary::{ObjectName, State, Summary};
use crate::sync::{Key, Syncer, now};

/// Between two reports while work goes on.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Between two boards while work goes on: each looks at everything.
const BOARD_EVERY: Duration = Duration::from_secs(1);

impl Syncer {
    /// Notes how the object stands; `None` when nothing of ours belongs there. Who does not write any more does not say.
    pub(super) fn set_state(&mut self, key: &Key, state: Option<State>) {
        let Some(state) = state.filter(|_| *self.setting.active.borrow()) else {
            let before = self.memory.remove(key).and_then(|memory| memory.state);
            return self.count(key, before.as_ref(), None);
        };
        let memory = self.memory.entry(key.clone()).or_default();
        if memory.state.as_ref() != Some(&state) {
            match &state {
                State::Refused(why) => self.note_refusal(key, why),
                State::LeftOver(why) => warn!(object = %self.name_of(key), why, "left over"),
                State::InSync | State::Waiting(_) | State::Failing(_) => {}
            }
            let memory = self.memory.entry(key.clone()).or_default();
            let before = memory.state.replace(state.clone());
            self.count(key, before.as_ref(), Some(&state));
        }
        if state == State::InSync {
            self.memory.entry(key.clone()).or_default().setbacks = 0;
        }
    }

    fn note_refusal(&self, key: &Key, why: &str) {
        warn!(object = %self.name_of(key), why, "refused");
        self.tell_refusal(key, why);
    }

    /// Tells again, now and then, what is left to somebody else.
    pub(super) fn remind(&mut self) {
        if !self.reminder.is_due(self.setting.clock.now()) {
            return;
        }
        for (key, memory) in &self.memory {
            if let Some(State::Refused(why)) = &memory.state {
                self.tell_refusal(key, why);
            }
        }
    }

    fn tell_refusal(&self, key: &Key, why: &str) {
        let name = self.name_of(key);
        if let Key::Secret(place, namespace) = key {
            let uid = self.secrets[*place].get(namespace).map(|observed| observed.uid.clone());
            let why = why.to_owned();
            self.tell(Incident::Refused { namespace: name.namespace, secret: name.name, uid, why });
        }
    }

    /// Lets people hear of it.
    pub(super) fn tell(&self, incident: Incident) {
        // Without listeners it is in the log alone.
        let _heard = self.reports.incidents.send(incident).is_ok();
    }

    /// Receivers are woken by [`Syncer::report`], not by each of ten thousand keys.
    fn count(&mut self, key: &Key, before: Option<&State>, after: Option<&State>) {
        self.news |= before != after;
        self.reports.summary.send_if_modified(|summary| {
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
        let listed = self.is_listed();
        let settled = listed && *self.setting.active.borrow() && self.queue.is_idle();
        let was_settled = self.reports.summary.borrow().settled;
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
        let board = (settled || now >= self.next_board).then(|| {
            self.next_board = now + BOARD_EVERY;
            Arc::new(self.board())
        });
        let (queued, writes, at) = (self.queue.load(), self.writes, self.setting.clock.now());
        let blocked = self.blocked().cloned();
        self.reports.summary.send_modify(|summary| {
            summary.listed = listed;
            summary.first_listed_at = summary.first_listed_at.or_else(|| listed.then_some(at));
            summary.first_pass_at = summary.first_pass_at.or_else(|| settled.then_some(at));
            summary.settled = settled;
            summary.blocked = blocked;
            summary.queued = queued;
            summary.writes = writes;
            if let Some(board) = board {
                summary.board = board;
            }
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
        let is_complete = |place: &usize| self.secrets[*place].is_listed() && !lagging.contains(place);
        let complete = (0..self.plan.secrets.len()).filter(is_complete).collect();
        let in_force: Coverage = self.plan.in_force(&complete).collect();
        self.reports.coverage.send_if_modified(|coverage| {
            let news = *coverage != in_force;
            *coverage = in_force;
            news
        });
        if self.announced != Some(self.writes) {
            let Summary { in_sync, waiting, refused, failing, left_over, .. } = *self.reports.summary.borrow();
            let writes = self.writes - self.announced.unwrap_or_default();
            info!(writes, in_sync, waiting, refused, failing, left_over, "all is written");
            self.announced = Some(self.writes);
        }
    }
}
