//! The image, as it is packed without a container engine.
//!
//! Tests have it built without the optimizer, which takes minutes. `PULLMINT_IMAGE` names the archive of a released one,
//! which `make image-test` gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{pages, self_built};

/// The name under which the chart asks for the image.
pub(crate) const REFERENCE: &str = "docker.io/library/pullmint:0.1.0";

/// What stands between two texts of licences.
const RULE: &str = "\n################################################################################\n";

/// The most that the image may weigh.
const LIMIT: u64 = 20 << 20;

fn output(program: &str, args: &[&Path]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn given() -> Option<PathBuf> {
    std::env::var_os("PULLMINT_IMAGE").map(PathBuf::from)
}

/// The archive to be tested. What is made for it lies in `dir`.
pub(crate) async fn archive(dir: &Path) -> PathBuf {
    match given() {
        Some(archive) => archive,
        None => self_built::image(dir).await,
    }
}

/// The archive and its digest.
fn pack(rootfs: &Path, archive: &Path) -> (PathBuf, String) {
    let digest = output("deploy/image/pack", &[rootfs, archive, REFERENCE.as_ref()]);
    (archive.to_owned(), digest.trim().to_owned())
}

/// The files of a tar archive with their contents.
fn files(archive: impl std::io::Read) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        if entry.header().entry_type().is_file() {
            let name = entry.path().expect("a path").to_string_lossy().trim_start_matches("./").to_owned();
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).expect("a content");
            files.insert(name, content);
        }
    }
    files
}

/// A small stand-in for the binary.
fn small(dir: &Path) -> PathBuf {
    let rootfs = dir.join("rootfs");
    output("deploy/image/rootfs", &["/bin/true".as_ref(), &rootfs]);
    rootfs
}

/// What a blob says that another one names.
fn blob(layout: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().expect("a digest");
    layout[&digest.replacen("sha256:", "blobs/sha256/", 1)].clone()
}

#[test]
fn packing_the_same_files_twice_gives_the_same_digest() {
    let dir = tempfile::tempdir().expect("a directory");
    let rootfs = small(dir.path());
    let first = pack(&rootfs, &dir.path().join("first.tar"));
    let now = std::time::SystemTime::UNIX_EPOCH;
    File::options().write(true).open(rootfs.join("pullmint")).and_then(|file| file.set_modified(now)).expect("a time");
    let second = pack(&rootfs, &dir.path().join("second.tar"));
    assert_eq!(first.1, second.1);
    assert_eq!(fs::read(first.0).expect("an archive"), fs::read(second.0).expect("an archive"));
}

#[test]
fn the_files_bear_no_time_of_the_machine_that_laid_them_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let rootfs = small(dir.path());
    for file in ["", "etc", "etc/passwd", "pullmint"] {
        let time = fs::metadata(rootfs.join(file)).and_then(|file| file.modified()).expect("a time");
        assert_eq!(time, std::time::SystemTime::UNIX_EPOCH, "{file}");
    }
}

#[test]
fn the_image_is_what_the_dockerfile_says_and_holds_nothing_but_the_binary_its_licences_certificates_and_a_user() {
    let dir = tempfile::tempdir().expect("a directory");
    let (archive, _) = pack(&small(dir.path()), &dir.path().join("image.tar"));
    let layout = files(File::open(archive).expect("an archive"));
    let read = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("JSON") };
    let manifest = read(&blob(&layout, &read(&layout["index.json"])["manifests"][0]));
    let config = read(&blob(&layout, &manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/pullmint"]));
    assert_eq!(config["config"]["Cmd"], json!(["run"]));
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.description"], env!("CARGO_PKG_DESCRIPTION"));

    let layer = files(blob(&layout, &manifest["layers"][0]).as_slice());
    let names: Vec<_> = layer.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["LICENSE", "LICENSE.crates", "etc/group", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "pullmint"]
    );
    let bundle = String::from_utf8_lossy(&layer["etc/ssl/certs/ca-certificates.crt"]);
    assert!(bundle.matches("-----BEGIN CERTIFICATE-----").count() > 100, "the authorities that the world trusts");
    let dockerfile = fs::read_to_string("Dockerfile").expect("a Dockerfile");
    let (_, last_stage) = dockerfile.split_once("\nFROM scratch\n").expect("a last stage");
    let copies: Vec<_> =
        last_stage.lines().filter(|line| line.starts_with("COPY") || line.starts_with("ADD")).collect();
    assert_eq!(copies, ["COPY --from=build /rootfs /"]);
    let makefile = fs::read_to_string("Makefile").expect("a Makefile");
    let auditable = makefile.lines().find_map(|line| line.strip_prefix("CARGO_AUDITABLE := ")).expect("a version");
    assert!(dockerfile.contains(&format!("cargo-auditable@{auditable}\n")), "not {auditable}");
}

#[test]
fn an_engine_compiles_the_image_with_the_version_of_rust_that_the_checkout_names() {
    let toolchain = fs::read_to_string("rust-toolchain.toml").expect("a file");
    let toolchain: toml::Table = toolchain.parse().expect("TOML");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a version");
    let dockerfile = fs::read_to_string("Dockerfile").expect("a Dockerfile");
    let first = dockerfile.lines().find_map(|line| line.strip_prefix("FROM ")).expect("a first stage");
    assert!(first.starts_with(&format!("rust:{channel}-")), "{first} is not of {channel}");
}

#[test]
fn the_licences_name_every_crate_and_hold_each_text_once_and_no_path_of_the_machine() {
    let licences = output("deploy/image/licences", &[]);
    let (first, blocks) = licences.split_once(RULE).expect("texts");
    assert_eq!(first.lines().count(), 1, "{first}");
    let texts: Vec<_> = blocks.split(RULE).filter_map(|block| block.split_once("\n\n")).collect();
    let distinct: BTreeSet<_> = texts.iter().map(|(_, text)| text.trim_matches('\n')).collect();
    assert!(texts.len() > 100 && distinct.len() == texts.len(), "{} of {}", distinct.len(), texts.len());
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").expect("a manifest").parse().expect("TOML");
    for name in manifest["dependencies"].as_table().expect("dependencies").keys() {
        let named = |line: &str| line.split(' ').any(|word| word.starts_with(&format!("{name}-")));
        assert!(licences.lines().any(named), "{name}");
    }
    let home = std::env::var("HOME").expect("a home");
    for place in [home.as_str(), pages::root().to_str().expect("a path")] {
        assert!(!licences.contains(place), "{place}");
    }
}

#[test]
fn the_released_image_weighs_little() {
    let Some(archive) = given() else {
        return world::skip("the released image is tested by `make image-test`");
    };
    let size = fs::metadata(&archive).expect("an archive").len();
    assert!(size <= LIMIT, "{size} bytes");
}

/// The image's binary.
async fn binary(dir: &Path) -> Vec<u8> {
    let layout = files(File::open(archive(dir).await).expect("an archive"));
    let mut files = layout.values().filter(|blob| blob.len() > 1 << 20).flat_map(|layer| files(layer.as_slice()));
    files.find(|(name, _)| name == "pullmint").expect("a binary").1
}

#[tokio::test]
async fn the_images_binary_holds_no_path_of_the_machine_that_built_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let binary = binary(dir.path()).await;
    let text = String::from_utf8_lossy(&binary);
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    for place in [&cargo, pages::root()].map(|path| path.display().to_string()) {
        let found = text.match_indices(&place).map(|(at, _)| text[at..].chars().take(200).collect::<String>());
        // Of its C files this crate takes care itself, if it is optimized.
        let left = found.filter(|path| given().is_some() || !path.contains("/aws-lc-sys-"));
        assert_eq!(left.take(3).collect::<Vec<_>>(), [""; 0]);
    }
    assert!(text.contains("/cargo/registry/src/"), "paths of crates are remapped");
}

#[tokio::test]
async fn the_images_binary_needs_no_library_and_tells_scanners_what_is_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("pullmint"), binary(dir.path()).await).expect("a file");
    let headers = output("readelf", &["-lSW".as_ref(), &dir.path().join("pullmint")]);
    assert!(!headers.contains("INTERP"), "it asks for a dynamic linker");
    // The section of cargo-auditable, which rust-audit-info and trivy read.
    assert!(headers.contains(".dep-v0"), "{headers}");
}
