//! The demo: the real pullmint at work on a real cluster, told live in the terminal.
//!
//! ```text
//! world demo ─┬─ Scenery     cluster, registry, clouds, node, namespaces
//!             ├─ pullmint    the program itself, with the project's examples
//!             ├─ Log         its words:      minted, renewed, warnings
//!             ├─ Secrets     the cluster's:  written, restored, left alone
//!             └─ Show        what a user would do, and what must come of it
//! ```

mod acts;
mod log;
mod options;
mod pods;
mod pull;
mod scenery;
mod screen;
mod secrets;
mod show;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use tokio::time::{Instant, sleep, sleep_until};

pub use options::DemoOptions;
use scenery::Scenery;
pub use screen::Screen;
use show::Show;

/// Runs it to its end, or until `told_to_end`; tells whether everything was seen that should be.
pub async fn run(options: &DemoOptions, screen: Screen, told_to_end: impl Future<Output = Result<()>>) -> Result<bool> {
    let screen = Arc::new(screen);
    let mut told_to_end = pin!(told_to_end);
    let scenery = tokio::select! {
        scenery = Scenery::build(options, &screen) => scenery,
        told = &mut told_to_end => {
            screen.still();
            return told.map(|()| true);
        }
    };
    let scenery = scenery.inspect_err(|_| screen.still())?;
    let shown = show(options, &scenery, &screen, told_to_end).await;
    let struck = scenery.strike(&screen).await;
    screen.still();
    shown.and(struck).map(|()| screen.failures() == 0)
}

async fn show(
    options: &DemoOptions,
    scenery: &Scenery,
    screen: &Arc<Screen>,
    mut told_to_end: Pin<&mut impl Future<Output = Result<()>>>,
) -> Result<()> {
    tokio::select! {
        prepared = scenery.prepare(screen) => prepared?,
        told = &mut told_to_end => return told,
    }
    let end = Instant::now() + options.time;
    let show = Show::start(options, scenery, screen)?;
    let story = async {
        show.tell().await;
        if screen.failures() == 0 {
            screen.act("watch", "all was shown; pullmint goes on renewing until the time is up");
            sleep_until(end).await;
        }
    };
    let live = async {
        while show.has_ended().is_none() {
            let left = end.saturating_duration_since(Instant::now()).as_secs();
            screen.now(format!("{left} s to go · lives of the credentials in force: {}", show.lives()));
            sleep(Duration::from_millis(200)).await;
        }
    };
    let told = tokio::select! {
        () = story => Ok(()),
        () = live => Ok(()),
        told = told_to_end => told,
    };
    screen.now("ending everything".to_owned());
    show.finish();
    told
}
