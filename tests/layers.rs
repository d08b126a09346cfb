//! A module uses only what stands before it, so that data flows one way.

use std::fs;
use std::path::{Path, PathBuf};

/// From the values at the bottom to the command line at the top. `telemetry` is used by the command line alone.
const LAYERS: [&str; 30] = [
    "causes",
    "network",
    "clock",
    "cron",
    "reminder",
    "registry",
    "credential",
    "dockerconfig",
    "config",
    "provider",
    "pulse",
    "watching",
    "status",
    "metrics",
    "keeper",
    "state",
    "sync",
    "rbac",
    "cluster",
    "why",
    "pulls",
    "leader",
    "events",
    "admin",
    "telemetry",
    "reload",
    "daemon",
    "cli",
    "lib",
    "main",
];

#[test]
fn a_module_uses_only_the_layers_before_it() {
    let mut offences = Vec::new();
    for file in sources(Path::new("src")) {
        let layer = place(&module_of(&file)).unwrap_or_else(|| panic!("{} is in no layer", file.display()));
        let text = fs::read_to_string(&file).expect("a source file");
        for used in text.split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match place(&name) {
                Some(place) if place <= layer => {}
                Some(_) => offences.push(format!("{} uses {name}", file.display())),
                None if name.is_empty() => {}
                None => offences.push(format!("{} uses {name}, which is in no layer", file.display())),
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn providers_know_no_kubernetes_and_keepers_know_no_secrets() {
    for (layer, foreign) in [("provider", ["kube::", "k8s_openapi::"]), ("keeper", ["kube::", "k8s_openapi::"])] {
        for file in sources(Path::new("src")).into_iter().filter(|file| module_of(file) == layer) {
            let text = fs::read_to_string(&file).expect("a source file");
            for name in foreign {
                assert!(!text.contains(name), "{} uses {name}", file.display());
            }
        }
    }
}

fn place(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// `src/keeper/slot.rs` and `src/keeper.rs` are both of `keeper`.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix("src").expect("below src");
    let first = inside.components().next().expect("a name").as_os_str();
    Path::new(first).file_stem().expect("a stem").to_string_lossy().into_owned()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    dirs.iter().flat_map(|dir| sources(dir)).chain(files).collect()
}
