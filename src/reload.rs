//! Follows the configuration directory: whatever changes there is read, checked, and put in force as a whole or not at all.
//!
//! The directory is looked at every few seconds rather than watched. The kubelet replaces a ConfigMap's files by moving a
//! link, which a watch on files never sees and a watch on the directory sees in parts; the text is what counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Problem, Report, Settings, Texts};
use crate::pulse::Pulse;
use crate::status::{ConfigurationProblem, ConfigurationStatus};

/// Between two looks.
pub const EVERY: Duration = Duration::from_secs(2);

/// A look that has been due for so long hangs, as on a dead network volume.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A directory, as it was last read.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    texts: Texts,
}

/// The two things that are known of a configuration.
#[derive(Debug)]
pub struct Followed {
    /// What is in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What is wrong with what is there, if anything.
    pub status: watch::Receiver<Arc<ConfigurationStatus>>,
}

impl Directory {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// With every problem of every file, if there is one.
    pub fn open(path: &Path) -> Result<(Settings, Self), Report> {
        let texts = read(path);
        let settings = texts.settings()?;
        Ok((settings, Self { path: path.to_owned(), texts }))
    }

    /// Follows it from what was read first. The future goes on for ever.
    pub fn follow(
        self,
        settings: Settings,
        clock: Arc<dyn Clock>,
        pulse: Pulse,
    ) -> (Followed, impl Future<Output = ()>) {
        let now = clock.now();
        let status = ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() };
        let (settings, latest) = watch::channel(Arc::new(settings));
        let (told, status) = watch::channel(Arc::new(status));
        (Followed { settings: latest, status }, look(self, clock, settings, told, pulse))
    }
}

async fn look(
    mut directory: Directory,
    clock: Arc<dyn Clock>,
    settings: watch::Sender<Arc<Settings>>,
    told: watch::Sender<Arc<ConfigurationStatus>>,
    pulse: Pulse,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let now = clock.now();
        pulse.beat(now);
        let texts = read(&directory.path);
        if texts == directory.texts {
            continue;
        }
        directory.texts = texts;
        let before = ConfigurationStatus::clone(&told.borrow());
        let status = match directory.texts.settings() {
            Ok(loaded) => {
                let changed = settings.send_if_modified(|settings| {
                    let changed = **settings != loaded;
                    *settings = Arc::new(loaded);
                    changed
                });
                info!(changed, "the configuration was read again and is in force");
                ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() }
            }
            Err(report) => {
                warn!(
                    problems = report.problems().len(),
                    report = %format_args!("\n{report}"),
                    "the configuration was changed and cannot be used; the one before stays in force"
                );
                let problems = report.problems().iter().map(problem).collect();
                ConfigurationStatus { read_at: now, problems, ..before }
            }
        };
        told.send_replace(Arc::new(status));
    }
}

/// Reads until two readings are alike: between them nobody has moved the link.
fn read(path: &Path) -> Texts {
    let mut texts = Texts::read(path);
    for _ in 0..5 {
        let again = Texts::read(path);
        if again == texts {
            break;
        }
        texts = again;
    }
    texts
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
