//! What the pages have a reader build, and bring to a registry: their own commands in this checkout, with the release profile.
//! Only the optimizer rests, and all crates are compiled as those of the image.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::{env, fs};

use tokio::process::Command;
use tokio::sync::Mutex;
use world::{Registry, RegistryOptions, WorldDir};

use crate::pages;
use crate::runners::{self, Runner};

/// What lets the optimizer rest. `make test` reads it too, and compiles before the tests begin.
const UNOPTIMIZED: &str = include_str!("unoptimized.env");

/// The registry in the pages.
const REGISTRY: &str = "registry.example.com";

/// Where the pages find the image.
const ARCHIVE: &str = "target/image.tar";

/// cargo's directory for these builds, beside the one of the tests.
static TARGET: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = Path::new(env!("CARGO_BIN_EXE_pullmint")).ancestors().nth(2).expect("cargo's directory");
    own.join("unoptimized")
});

/// What the image's crates are compiled with. With other flags they would be compiled twice.
static FLAGS: LazyLock<String> = LazyLock::new(|| {
    let printed = std::process::Command::new(pages::root().join("deploy/image/remap")).output().expect("a start");
    String::from_utf8(printed.stdout).expect("UTF-8")
});

/// One build at a time, and none while somebody reads what the last one made.
static BUILDING: Mutex<()> = Mutex::const_new(());

/// Variables by which cargo and make speak to those that they start. A reader's commands have none of them.
const OF_THE_TESTS: [&str; 5] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "MAKE"];

/// The image as the pages' command makes it, in a directory of one's own.
pub(crate) async fn image(dir: &Path) -> PathBuf {
    let _building = BUILDING.lock().await;
    done("make image", &mut bash("make image")).await;
    let archive = dir.join("image.tar");
    fs::copy(TARGET.join("image.tar"), &archive).expect("a copy");
    archive
}

/// One of the pages' commands.
fn bash(line: &str) -> Command {
    let line = line.replace(ARCHIVE, &TARGET.join("image.tar").display().to_string());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &line]).current_dir(pages::root()).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in env::vars() {
        if name == "CARGO" || OF_THE_TESTS.iter().any(|beginning| name.starts_with(beginning)) {
            bash.env_remove(name);
        }
    }
    bash.envs(UNOPTIMIZED.lines().map(|variable| variable.split_once('=').expect("NAME=VALUE")));
    bash.env("CARGO_TARGET_DIR", &*TARGET).env("CARGO_ENCODED_RUSTFLAGS", &*FLAGS);
    bash
}

async fn done(line: &str, command: &mut Command) -> String {
    let output = command.output().await.expect("bash");
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn the_list_of_what_is_in_pullmint_can_be_made() {
    let _building = BUILDING.lock().await;
    done("make sbom", &mut bash("make sbom")).await;
    let list = fs::read_to_string(TARGET.join("pullmint.cdx.json")).expect("a list");
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["bomFormat"], "CycloneDX");
    let parts = list["components"].as_array().expect("components");
    for name in ["aws-sdk-ecr", "kube", "rustls"] {
        assert!(parts.iter().any(|part| part["name"] == name), "{name}");
    }
}

#[tokio::test]
async fn what_the_pages_have_built_is_built_by_their_commands_and_the_image_brought_to_a_registry() {
    let _building = BUILDING.lock().await;
    let world = WorldDir::new().expect("a directory");
    let registry = Registry::start(RegistryOptions::default(), &world).await.expect("a registry");
    // It speaks plain HTTP, which a client must be told.
    let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    let home = world.subdir("home").expect("a directory");
    fs::create_dir_all(home.join(".config/containers")).expect("a directory");
    fs::write(home.join(".config/containers/registries.conf"), insecure).expect("a file");
    let installed = world.path().join("installed");
    for page in pages::all() {
        for line in page.commands().into_iter().filter(|line| runners::of(line) == Runner::Build) {
            let mut bash = bash(&line.replace(REGISTRY, &registry.host()));
            if line.starts_with("skopeo") {
                bash.env("HOME", &home);
            }
            done(&line, bash.env("CARGO_INSTALL_ROOT", &installed)).await;
        }
    }

    let version = env!("CARGO_PKG_VERSION");
    let mut pullmint = Command::new(installed.join("bin/pullmint"));
    assert_eq!(done("pullmint --version", pullmint.arg("--version")).await.trim(), format!("pullmint {version}"));
    let manifest = format!("{}/v2/pullmint/manifests/{version}", registry.url());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let answer = http.get(manifest).header("Accept", accept).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}
