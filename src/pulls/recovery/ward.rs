//! One leader's pods that fail, and what it does about them.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::pulls::recovery::decide::{self, Input, Patient, Renewal, Verdict};
use crate::pulls::recovery::delete::{Ending, delete};
use crate::pulls::recovery::limit::Limit;
use crate::pulls::recovery::look::Unfit;
use crate::pulls::recovery::memory::{Memory, Rest};
use crate::pulls::recovery::{Recovered, Reports};
use crate::pulls::table::Failure;
use crate::sync::Permit;

/// When a pod is asked for again whose deletion was forbidden or not answered.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// When a pod is looked at again that has changed, or waits for something else.
const AFTER_CHANGE: Duration = Duration::from_secs(5);

const FORBIDDEN: &str = "grant `delete` of pods as `pullmint rbac` prints it, or set `recover = false`";

/// What there is to know of the pods that fail.
pub(super) struct Ward {
    client: Client,
    clock: Arc<dyn Clock>,
    permit: Permit,
    reports: Reports,
    memory: Memory,
    limit: Limit,
    /// Whether the log has told that deleting is not allowed.
    complained: bool,
}

impl Ward {
    pub(super) fn new(client: Client, clock: Arc<dyn Clock>, permit: Permit, reports: Reports) -> Self {
        let (memory, limit) = (Memory::default(), Limit::default());
        Self { client, clock, permit, reports, memory, limit, complained: false }
    }

    /// Takes in what is told of them now.
    pub(super) fn note(&mut self, failures: &[Arc<Failure>]) {
        self.memory.note(failures);
    }

    pub(super) fn decide(&self, failures: &[Arc<Failure>], renewals: &[Renewal], per_minute: usize) -> Verdict {
        let (memory, limit, now) = (&self.memory, &self.limit, self.clock.uptime());
        decide::decide(&Input { failures, memory, renewals, limit, per_minute, now })
    }

    /// Deletes a pod, if it is still one to be deleted.
    pub(super) async fn treat(&mut self, patient: &Patient) {
        let later = |pause| Rest::Until(self.clock.uptime() + pause);
        if !(self.permit)() {
            self.memory.rest(&patient.uid, later(AFTER_CHANGE));
            return;
        }
        let ending = delete(self.client.clone(), patient).await;
        let rest = match &ending {
            Ending::Unfit(Unfit::Waiting) | Ending::Changed => later(AFTER_CHANGE),
            Ending::Deleted(_) | Ending::Gone | Ending::Unfit(_) => Rest::ForGood,
            Ending::Forbidden(_) | Ending::Failed(_) => later(AFTER_FAILURE),
        };
        self.memory.rest(&patient.uid, rest);
        if let Some(outcome) = ending.outcome() {
            self.limit.take(self.clock.uptime());
            self.reports.metrics.recovered(outcome);
        }
        self.tell(patient, ending);
    }

    fn tell(&mut self, patient: &Patient, ending: Ending) {
        let Patient { namespace, name: pod, registry, .. } = patient;
        match ending {
            Ending::Deleted(controller) => {
                info!(namespace, pod, %controller, %registry,
                    "deleted a pod that waited for a credential which is renewed: the new one pulls at once");
                let news = Recovered {
                    namespace: namespace.clone(),
                    pod: pod.clone(),
                    controller,
                    registry: registry.clone(),
                };
                let _unheard = self.reports.recovered.send(news);
            }
            Ending::Forbidden(error) if !self.complained => {
                self.complained = true;
                warn!(namespace, pod, error, remedy = FORBIDDEN, "may not delete a pod that waits in vain");
            }
            Ending::Failed(error) => warn!(namespace, pod, error, "could not delete a pod that waits in vain"),
            Ending::Gone => debug!(namespace, pod, "the pod to be deleted is gone"),
            Ending::Unfit(why) => debug!(namespace, pod, %why, "the pod is left alone"),
            Ending::Changed => debug!(namespace, pod, "the pod has changed; looking at it again"),
            Ending::Forbidden(error) => debug!(namespace, pod, error, "may not delete a pod that waits in vain"),
        }
    }
}
