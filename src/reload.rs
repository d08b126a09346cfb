//! Follows the configuration: whatever changes in its files is read, checked, and put in force as a whole or not at all.
//!
//! The files are looked at every few seconds rather than watched. The kubelet replaces a ConfigMap's files by moving a
//! link, which a watch on files never sees and a watch on the directory sees in parts; the text is what counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Problem, Report, Settings};
use crate::provider::Outside;
use crate::pulse::Pulse;
use crate::status::{ConfigurationProblem, ConfigurationStatus};

mod directory;

pub use directory::{Accepted, Directory};

/// Between two looks, usually.
pub const EVERY: Duration = Duration::from_secs(2);

/// A look that has been due for so long hangs, as on a dead network volume.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// What is known of a configuration.
#[derive(Debug)]
pub struct Followed {
    /// What is in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The way to registries and clouds that belongs to it; another one when other authorities are to be trusted.
    pub outside: watch::Receiver<Arc<Outside>>,
    /// What is wrong with what is there, if anything.
    pub status: watch::Receiver<Arc<ConfigurationStatus>>,
}

/// Where it is made known.
struct Telling {
    settings: watch::Sender<Arc<Settings>>,
    outside: watch::Sender<Arc<Outside>>,
    status: watch::Sender<Arc<ConfigurationStatus>>,
}

/// Follows a directory from what was first read there. The future goes on for ever.
pub fn follow(
    directory: Directory,
    accepted: Accepted,
    clock: Arc<dyn Clock>,
    pulse: Pulse,
) -> (Followed, impl Future<Output = ()>) {
    let now = clock.now();
    let status = ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() };
    let Accepted { settings, outside } = accepted;
    let telling = Telling {
        settings: watch::channel(Arc::new(settings)).0,
        outside: watch::channel(outside).0,
        status: watch::channel(Arc::new(status)).0,
    };
    let followed = Followed {
        settings: telling.settings.subscribe(),
        outside: telling.outside.subscribe(),
        status: telling.status.subscribe(),
    };
    (followed, look(directory, clock, telling, pulse))
}

async fn look(mut directory: Directory, clock: Arc<dyn Clock>, telling: Telling, pulse: Pulse) {
    loop {
        tokio::time::sleep(directory.every).await;
        let now = clock.now();
        pulse.beat(now);
        if !directory.look() {
            continue;
        }
        let loaded_at = telling.status.borrow().loaded_at;
        match directory.accept(&clock) {
            Ok(accepted) => {
                let status = ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() };
                telling.status.send_replace(Arc::new(status));
                telling.put_in_force(accepted);
            }
            Err(report) => {
                let problems = report.problems().iter().map(problem).collect();
                telling.status.send_replace(Arc::new(ConfigurationStatus { loaded_at, read_at: now, problems }));
                complain(&report);
            }
        }
    }
}

impl Telling {
    /// Tells those whom it concerns.
    fn put_in_force(&self, Accepted { settings, outside }: Accepted) {
        let authorities = self.outside.send_if_modified(|before| {
            let changed = !Arc::ptr_eq(before, &outside);
            *before = outside;
            changed
        });
        let changed = self.settings.send_if_modified(|before| {
            let changed = **before != settings;
            *before = Arc::new(settings);
            changed
        });
        info!(changed, authorities, "the configuration was read again and is in force");
    }
}

fn complain(report: &Report) {
    warn!(
        problems = report.problems().len(),
        report = %format_args!("\n{report}"),
        "the configuration was changed and cannot be used; the one before stays in force"
    );
}

fn problem(problem: &Problem) -> ConfigurationProblem {
    ConfigurationProblem {
        file: problem.file.display().to_string(),
        line: problem.place.as_ref().map(|place| place.line),
        column: problem.place.as_ref().map(|place| place.column),
        message: problem.message.clone(),
        help: problem.help.clone(),
    }
}
