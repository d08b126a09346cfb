//! What ticks the optional cron schedules: a tick means "renew now", beside what the expiry demands, never instead of it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Starts a scheduler for these expressions (six fields, seconds first; UTC) and what each notifies.
/// It ticks as long as it lives.
///
/// # Errors
/// An expression that does not parse, which the configuration should have refused.
pub async fn start(
    schedules: impl IntoIterator<Item = (String, Arc<Notify>)>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (expression, renew_now) in schedules {
        let job = Job::new(expression.as_str(), move |_, _| renew_now.notify_one())?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}
