//! The directory of a world: its logs, keys and data, removed when the world ends, however it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Context, Result,
    process::{Launch, Process},
};

/// Removes the directory once all other processes of the world have cleaned up, unless it is to be kept.
const JANITOR: &str = r#"
for _ in $(seq 300); do
    find "$DIR" -maxdepth 2 -name '*.pid' ! -name janitor.pid | grep -q . || break
    sleep 0.1
done
[ -e "$DIR/keep" ] || rm -rf --one-file-system "$DIR"
"#;

/// A directory which all parts of a world share; it goes when the last of them goes.
///
/// It stays after a panic, and when `WORLD_KEEP` is set, so that the logs can be read.
#[derive(Clone, Debug)]
pub struct WorldDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    _janitor: Process,
}

impl WorldDir {
    /// Makes a new one under the system's directory for temporary files.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("world-").tempdir().context(|| "making a directory for the world")?;
        // The janitor takes over here, since it also works when this process has been killed.
        let path = dir.keep();
        let janitor =
            Launch::new("janitor", "sleep", &path).arg("infinity").env("DIR", &path).after(JANITOR).start()?;
        let made = Self(Arc::new(Inner { path, _janitor: janitor }));
        if std::env::var_os("WORLD_KEEP").is_some() {
            made.write("keep", "")?;
        }
        Ok(made)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, content).context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Makes a directory in it and returns its path.
    pub fn subdir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).context(|| format!("creating {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fs::write(self.path.join("keep"), "").ok();
            eprintln!("world: the logs are kept in {}", self.path.display());
        }
    }
}
