//! The clouds' own command-line tools, as `make cloud-tools` installs them.

use std::path::{Path, PathBuf};

use crate::scene::PROGRAM;

/// The directory of the programs; without it the test that asks is skipped.
pub(crate) fn dir() -> Option<PathBuf> {
    let target = Path::new(PROGRAM).ancestors().nth(2).expect("cargo's directory");
    let tools = target.join("cloud-tools");
    if !tools.join("installed.txt").is_file() {
        world::skip("the pages' commands for clouds need what `make cloud-tools` installs");
        return None;
    }
    Some(tools.join("bin"))
}
