//! What the demo is told: by its caller, and by the environment as `make` passes it on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Result, WorldError};

/// Seconds without `DEMO_SECONDS`.
const USUAL: u64 = 120;
/// A shorter demo could not show a credential from its mint to its end.
const SHORTEST: u64 = 30;
/// The longest life of a credential here.
const LIFE: Duration = Duration::from_secs(60);

/// How the demo is to be.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// pullmint.
    pub program: PathBuf,
    /// From the start of pullmint on.
    pub time: Duration,
    /// Somebody's cluster, in place of one of our own.
    pub kubeconfig: Option<PathBuf>,
}

impl DemoOptions {
    /// What the environment says, with pullmint beside this program if none is named.
    pub fn new(program: Option<PathBuf>) -> Result<Self> {
        let program = match program {
            Some(program) => program,
            None => beside_this_program()?,
        };
        if !program.is_file() {
            let (program, how) =
                (program.display(), "build it with `cargo build --locked --workspace`, or name one: --program PATH");
            return Err(WorldError::new(format!("there is no pullmint at {program}; {how}")));
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let seconds = match set("DEMO_SECONDS") {
            None => Some(USUAL),
            Some(text) => {
                text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds >= SHORTEST)
            }
        };
        let seconds = seconds.ok_or_else(|| {
            WorldError::new(format!("DEMO_SECONDS must be a whole number of at least {SHORTEST}; without it: {USUAL}"))
        })?;
        Ok(Self { program, time: Duration::from_secs(seconds), kubeconfig: set("DEMO_KUBECONFIG").map(PathBuf::from) })
    }

    /// A minute, or less where a minute would leave no time to see what comes after.
    pub(super) fn life(&self) -> Duration {
        LIFE.min(self.time / 2)
    }

    /// The program as a person at the workspace's root would name it.
    pub(super) fn program_name(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        self.program.strip_prefix(&here).unwrap_or(&self.program).display().to_string()
    }
}

fn beside_this_program() -> Result<PathBuf> {
    let own = std::env::current_exe().ok();
    let place = own.as_deref().and_then(Path::parent);
    place.map(|place| place.join("pullmint")).ok_or_else(|| WorldError::new("name the program: --program PATH"))
}
