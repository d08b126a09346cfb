//! The optional cron schedules: a tick means "renew now", beside what the expiry demands, never instead of it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Starts a scheduler for these expressions (five fields, or six with seconds first; UTC) and what each notifies.
/// It ticks as long as it lives.
///
/// # Errors
/// An expression that does not parse, which the configuration should have refused.
pub async fn start(
    schedules: impl IntoIterator<Item = (String, Arc<Notify>)>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (expression, renew_now) in schedules {
        let job = Job::new(with_seconds(&expression), move |_, _| renew_now.notify_one())?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// The scheduler wants six fields.
fn with_seconds(expression: &str) -> String {
    if expression.split_whitespace().count() == 5 { format!("0 {expression}") } else { expression.to_owned() }
}
