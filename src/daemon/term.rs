//! What only a leader does, for as long as it leads: keep credentials fresh, save them, look into
//! failed pulls, tell people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::daemon::Site;
use crate::daemon::lines::{Changes, Line, Lines};
use crate::events::{self, Own};
use crate::keeper::slot::{Coverage, Roster};
use crate::keeper::ticker::Schedule;
use crate::keeper::{Keeper, deletion};
use crate::pulls::{self, recovery};
use crate::pulse;
use crate::registry::RegistryName;
use crate::state::StateSecret;

/// What a term is made of.
pub(super) struct Parts<'a> {
    pub(super) site: &'a Site,
    pub(super) lines: &'a Lines,
    pub(super) state: &'a StateSecret,
    pub(super) coverage: &'a watch::Receiver<Coverage>,
    pub(super) roster: &'a watch::Sender<Roster>,
    /// How to look into failed pulls, if at all.
    pub(super) means: Option<pulls::Means>,
    pub(super) pulls: &'a pulls::Reports,
}

/// The tasks of a term. Dropping it ends them.
pub(super) struct Term {
    tasks: JoinSet<&'static str>,
    keepers: BTreeMap<RegistryName, Running>,
    /// Saves what the keepers publish; begins anew when there are other keepers.
    saving: Option<AbortHandle>,
    pulls: Pulls,
    /// Of these each ends by itself.
    burials: JoinSet<()>,
}

/// The look into failed pulls, with its means while it goes on.
struct Pulls {
    running: Option<(watch::Sender<pulls::Means>, AbortHandle)>,
    reports: pulls::Reports,
}

struct Running {
    task: AbortHandle,
    renew_now: Arc<Notify>,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Term").field("keepers", &self.keepers.keys()).finish_non_exhaustive()
    }
}

impl Pulls {
    /// With the present means, which may be others, or none. What is known of the pods does not depend on them.
    fn go_on(&mut self, parts: &Parts<'_>, tasks: &mut JoinSet<&'static str>) {
        let Some(latest) = parts.means.clone() else { return self.end() };
        if let Some((means, _)) = &self.running {
            means.send_if_modified(|means| {
                let are_others = *means != latest;
                *means = latest;
                are_others
            });
            return;
        }
        let (means, told) = watch::channel(latest);
        let Site { client, clock, pulses, deaf_after, .. } = parts.site.clone();
        let setting = pulls::Setting { client, clock, pulses, deaf_after, slots: parts.roster.subscribe() };
        let task = pulls::explain(setting, told, self.reports.clone());
        let task = tasks.spawn(async {
            task.await;
            "pulls"
        });
        self.running = Some((means, task));
    }

    /// What was told is not true any more once nobody looks.
    fn end(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
        }
        self.reports.failures.send_replace(None);
    }
}

impl Drop for Pulls {
    fn drop(&mut self) {
        self.end();
    }
}

impl Term {
    pub(super) fn begin(parts: &Parts<'_>, news: events::Sources) -> Self {
        let pulls = Pulls { running: None, reports: parts.pulls.clone() };
        let mut term =
            Self { tasks: JoinSet::new(), keepers: BTreeMap::new(), saving: None, pulls, burials: JoinSet::new() };
        let own = Own::of_process(&parts.site.namespace, &parts.site.identity);
        let (client, clock) = (parts.site.client.clone(), Arc::clone(&parts.site.clock));
        let pulse = parts.site.pulses.start("events", pulse::LONGEST_SILENCE, clock.now());
        term.tasks.spawn(async {
            events::publish(client, clock, pulse, own, news).await;
            "events"
        });
        let all = parts.lines.iter().map(|line| line.registry.name.clone()).collect();
        term.go_on(parts, Changes { changed: all, gone: Vec::new() });
        term
    }

    /// Acts on what is told of failed pulls, if the settings ask for it.
    pub(super) fn recover(&mut self, setting: recovery::Setting, reports: recovery::Reports) {
        self.tasks.spawn(async {
            recovery::recover(setting, reports).await;
            "recovery"
        });
    }

    /// Other registries from now on: those that changed get other keepers, those that are gone none.
    pub(super) fn go_on(&mut self, parts: &Parts<'_>, changes: Changes) {
        let Changes { changed, gone } = changes;
        let there: BTreeSet<_> = parts.lines.iter().map(|line| &line.registry.name).collect();
        self.keepers.retain(|name, running| {
            let stays = there.contains(name) && !changed.contains(name);
            if !stays {
                running.task.abort();
            }
            stays
        });
        for line in parts.lines.iter().filter(|line| changed.contains(&line.registry.name)) {
            let (clock, slot) = (Arc::clone(&parts.site.clock), Arc::clone(&line.slot));
            let keeper = Keeper::new(line.task(parts.site), clock, slot, parts.coverage.clone());
            let renew_now = keeper.renew_now();
            let task = self.tasks.spawn(async {
                keeper.run().await;
                "keeper"
            });
            self.keepers.insert(line.registry.name.clone(), Running { task, renew_now });
        }
        for line in gone {
            let (tokens, clock) = (line.tokens(), Arc::clone(&parts.site.clock));
            self.burials.spawn(deletion::bury(line.registry.name, line.provider, tokens, clock));
        }
        self.save(parts);
        self.pulls.go_on(parts, &mut self.tasks);
    }

    fn save(&mut self, parts: &Parts<'_>) {
        if let Some(before) = self.saving.take() {
            before.abort();
        }
        let (state, kept, clock) = (parts.state.clone(), parts.lines.kept(), Arc::clone(&parts.site.clock));
        let pulse = parts.site.pulses.start("state", pulse::LONGEST_SILENCE, clock.now());
        self.saving = Some(self.tasks.spawn(async move {
            state.keep(kept, clock, pulse).await;
            "state"
        }));
    }

    /// When to notify which keeper, beside what the expiry demands.
    pub(super) fn schedules(&self, lines: &Lines) -> BTreeMap<RegistryName, Schedule> {
        let schedule = |line: &Line| {
            let expression = line.registry.renewal.schedule.clone()?;
            let renew_now = Arc::clone(&self.keepers.get(&line.registry.name)?.renew_now);
            Some((line.registry.name.clone(), Schedule { expression, renew_now }))
        };
        lines.iter().filter_map(schedule).collect()
    }

    /// The name of a task that ended although none should; pending while all is well, and without a term.
    pub(super) async fn broken(term: Option<&mut Self>) -> &'static str {
        let Some(term) = term else { return std::future::pending().await };
        loop {
            match term.tasks.join_next().await {
                Some(Ok(task)) => return task,
                Some(Err(ended)) if ended.is_cancelled() => {}
                Some(Err(_)) => return "a task that panicked",
                None => return std::future::pending().await,
            }
        }
    }
}
