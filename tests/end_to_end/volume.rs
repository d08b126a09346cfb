//! A configuration directory as the kubelet mounts a ConfigMap there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::scene::Scene;

/// Its files are links into the directory behind the link `..data`, which is moved to a new directory at each change.
pub(crate) struct Volume {
    dir: PathBuf,
    versions: u32,
}

impl Volume {
    /// In the place of the directory that the scene has.
    pub(crate) fn mount(scene: &Scene) -> Self {
        let dir = scene.around.config().to_owned();
        fs::remove_dir_all(&dir).expect("removed");
        fs::create_dir(&dir).expect("made");
        Self { dir, versions: 0 }
    }

    /// Puts these files in the place of all others, in the order in which the kubelet's atomic writer does it.
    pub(crate) fn publish(&mut self, scene: &Scene, files: &BTreeMap<String, String>) {
        self.versions += 1;
        let version = format!("..2026_01_01_00_00_00.{:09}", self.versions);
        fs::create_dir(self.dir.join(&version)).expect("a directory");
        for (name, toml) in files {
            fs::write(self.dir.join(&version).join(name), scene.around.fill(toml)).expect("a file");
        }
        let data = self.dir.join("..data");
        let before = fs::read_link(&data).ok();
        symlink(&version, self.dir.join("..data_tmp")).expect("a link");
        fs::rename(self.dir.join("..data_tmp"), &data).expect("a moved link");
        for name in files.keys().filter(|name| !self.dir.join(name).is_symlink()) {
            symlink(PathBuf::from("..data").join(name), self.dir.join(name)).expect("a link");
        }
        for entry in fs::read_dir(&self.dir).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with("..") && !files.contains_key(&name) {
                fs::remove_file(entry.path()).expect("removed");
            }
        }
        if let Some(before) = before {
            fs::remove_dir_all(self.dir.join(before)).expect("removed");
        }
    }
}
