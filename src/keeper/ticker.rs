//! What ticks the optional cron schedules: a tick means "renew now", beside what the expiry demands, never instead of it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::registry::RegistryName;

/// A cron expression of six fields, seconds first, in UTC, and whom its ticks notify.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The expression.
    pub expression: String,
    /// Whom.
    pub renew_now: Arc<Notify>,
}

/// One scheduler for as long as the process lives, from the first schedule on: the tasks that it starts never end.
#[derive(Default)]
pub struct Ticker {
    scheduler: Option<JobScheduler>,
    running: BTreeMap<RegistryName, (Schedule, Job)>,
}

impl Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticker").field("running", &self.running.keys()).finish_non_exhaustive()
    }
}

impl Ticker {
    /// Ticks these schedules from now on, and no others. Those that stay are not disturbed.
    ///
    /// # Errors
    /// An expression that does not parse, which the configuration should have refused.
    pub async fn set(&mut self, mut schedules: BTreeMap<RegistryName, Schedule>) -> Result<(), JobSchedulerError> {
        let Some(scheduler) = self.scheduler(&schedules).await? else { return Ok(()) };
        for (registry, (running, job)) in std::mem::take(&mut self.running) {
            match schedules.get(&registry) {
                Some(wanted) if wanted.is_like(&running) => {
                    schedules.remove(&registry);
                    self.running.insert(registry, (running, job));
                }
                _ => scheduler.remove(&job.guid()).await?,
            }
        }
        for (registry, schedule) in schedules {
            let renew_now = Arc::clone(&schedule.renew_now);
            let job = Job::new(schedule.expression.as_str(), move |_, _| renew_now.notify_one())?;
            scheduler.add(job.clone()).await?;
            self.running.insert(registry, (schedule, job));
        }
        Ok(())
    }

    /// The scheduler, if there is one, or any need of one.
    async fn scheduler(
        &mut self,
        schedules: &BTreeMap<RegistryName, Schedule>,
    ) -> Result<Option<JobScheduler>, JobSchedulerError> {
        if self.scheduler.is_none() && !schedules.is_empty() {
            let scheduler = JobScheduler::new().await?;
            scheduler.start().await?;
            self.scheduler = Some(scheduler);
        }
        Ok(self.scheduler.clone())
    }
}

impl Schedule {
    fn is_like(&self, other: &Self) -> bool {
        self.expression == other.expression && Arc::ptr_eq(&self.renew_now, &other.renew_now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn every_second(renew_now: &Arc<Notify>) -> BTreeMap<RegistryName, Schedule> {
        let schedule = Schedule { expression: "* * * * * *".to_owned(), renew_now: Arc::clone(renew_now) };
        [(RegistryName::new("ecr"), schedule)].into()
    }

    #[tokio::test]
    async fn it_ticks_what_is_set_and_nothing_that_is_not_set_any_more() {
        let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut ticker = Ticker::default();
        ticker.set(BTreeMap::new()).await.expect("nothing to do");
        ticker.set(every_second(&first)).await.expect("a schedule");
        timeout(SOON, first.notified()).await.expect("a tick");
        ticker.set(every_second(&first)).await.expect("the same schedule");
        timeout(SOON, first.notified()).await.expect("another tick");

        ticker.set(every_second(&second)).await.expect("another keeper");
        timeout(SOON, second.notified()).await.expect("a tick for that one");
        // One may have been under way.
        let _late = timeout(Duration::from_millis(100), first.notified()).await;
        ticker.set(BTreeMap::new()).await.expect("no schedule");
        let _late = timeout(Duration::from_millis(100), second.notified()).await;
        let (first, second) = (first.notified(), second.notified());
        let any = timeout(Duration::from_millis(2_500), futures::future::select(Box::pin(first), Box::pin(second)));
        assert!(any.await.is_err(), "nobody is to be told any more");
    }
}
