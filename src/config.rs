//! The configuration: a directory with `pullmint.toml` for everything and one `NAME.toml` per registry.
//!
//! ```text
//! text ──document──► tree ──read, by the schema──► file (as written) ──check──► settings (as meant)
//!                      └───────────── what is wrong, with its place ─────────────► report
//! ```
//!
//! The types in `file` make the schema, and the schema checks the files: keys, types, bounds and defaults are said
//! once. Each step goes on where it can, so that one report has the problems of all files.

mod check;
mod conflict;
mod document;
mod file;
mod mask;
mod read;
mod reference;
mod report;
mod schema;
mod selection;
mod selector;
pub mod settings;
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use document::Document;
pub use reference::{explain, reference};
pub use report::{Place, Problem, Report};
pub use schema::schema;
pub use selection::{CompiledSelection, InvalidSelection};
pub use selector::{InvalidSelector, Selector};
pub use settings::Settings;

use report::Flaw;

/// The file for what holds for every registry; its name is no registry's.
const GLOBAL: &str = "pullmint";

/// What to do about a directory that cannot be read.
const EXPECTED: &str = "name the configuration's directory, which has one NAME.toml per registry: `--config DIR`";

/// How often the files may be replaced or removed while they are being read; it takes much less time than the kubelet has
/// between two versions.
const MOVES: usize = 5;

/// Loads the configuration from a directory: `pullmint.toml`, which may be absent, and one `NAME.toml` per registry.
///
/// # Errors
/// With every problem of every file, if there is one.
pub fn load(dir: &Path) -> Result<Settings, Report> {
    Texts::read(dir).settings()
}

/// The configuration's files as they stood at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    dir: PathBuf,
    files: Vec<(PathBuf, String)>,
    unreadable: Vec<Problem>,
}

impl Texts {
    /// Reads the directory. What cannot be read is a problem of its own.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let mut version = version(dir);
        for _ in 0..MOVES {
            let (texts, is_whole) = Self::read_version(dir, &version);
            let now = self::version(dir);
            if is_whole && now == version {
                return texts;
            }
            version = now;
        }
        Self::read_version(dir, &version).0
    }

    /// Reads one version of the files, and calls them what they are called in the directory. Tells, too, whether all were
    /// still there that had been listed.
    fn read_version(dir: &Path, version: &Path) -> (Self, bool) {
        let mut is_whole = true;
        let mut texts = Self { dir: dir.to_owned(), files: Vec::new(), unreadable: Vec::new() };
        let unreadable = |path: &Path, error| Problem::whole(path, Flaw::new(format!("unreadable: {error}")));
        match names(version) {
            Ok(names) => {
                for name in names {
                    let path = dir.join(&name);
                    match fs::read_to_string(version.join(&name)) {
                        Ok(text) => texts.files.push((path, text)),
                        Err(error) => {
                            is_whole &= error.kind() != io::ErrorKind::NotFound;
                            texts.unreadable.push(unreadable(&path, error));
                        }
                    }
                }
            }
            Err(error) => {
                let problem = unreadable(dir, error);
                texts.unreadable.push(Problem { help: Some(EXPECTED.to_owned()), ..problem });
            }
        }
        texts.files.sort();
        (texts, is_whole)
    }

    /// Makes settings of them.
    ///
    /// # Errors
    /// With every problem of every file, if there is one.
    pub fn settings(&self) -> Result<Settings, Report> {
        assemble(&self.dir, &mut self.files.clone(), self.unreadable.clone())
    }

    /// A report on a key of `pullmint.toml` whose value turned out to be of no use where it was to be used.
    #[must_use]
    pub fn objection(&self, key: &str, message: impl Into<String>, help: impl Into<String>) -> Report {
        let empty = (self.dir.join("pullmint.toml"), String::new());
        let (path, text) = self.files.iter().find(|(path, _)| stem(path) == GLOBAL).unwrap_or(&empty);
        let mut document = Document::parse(path, text);
        document.problems.clear();
        document.report(document.key(key), Flaw::new(message).help(help));
        Report::new(document.problems)
    }
}

/// Makes settings of files that have been read. The directory of a file is where its relative paths begin.
///
/// # Errors
/// With every problem of every file, if there is one.
pub fn load_from(files: impl IntoIterator<Item = (PathBuf, String)>) -> Result<Settings, Report> {
    let mut files: Vec<_> = files.into_iter().collect();
    let dir = files.first().and_then(|(path, _)| path.parent()).map(Path::to_owned).unwrap_or_default();
    assemble(&dir, &mut files, Vec::new())
}

/// Where the files stand that belong together. In a volume of a ConfigMap the kubelet gives each version a directory of
/// its own and moves the link `..data` there; only then it adds and removes the links that one sees.
fn version(dir: &Path) -> PathBuf {
    fs::canonicalize(dir.join("..data")).or_else(|_| fs::canonicalize(dir)).unwrap_or_else(|_| dir.to_owned())
}

/// The names of the configuration's files. Those with a dot in front are the volume's own, or an editor's.
fn names(dir: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let hidden = name.to_string_lossy().starts_with('.');
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            names.push(name);
        }
    }
    Ok(names)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn assemble(dir: &Path, files: &mut [(PathBuf, String)], mut problems: Vec<Problem>) -> Result<Settings, Report> {
    files.sort();
    let (globals, registries): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| stem(path) == GLOBAL);
    if registries.is_empty() && problems.is_empty() {
        let flaw = Flaw::new("there is no registry: expected a file NAME.toml for each");
        problems.push(Problem::whole(dir, flaw.help("the file's name is the registry's; config/ has examples")));
    }

    let empty = (dir.join("pullmint.toml"), String::new());
    let (path, text) = globals.first().copied().unwrap_or(&empty);
    let mut document = Document::parse(path, text);
    // Where the file does not do, the registries are still checked, as if it were not there.
    let global: file::Global = document.read(&schema::GLOBAL).unwrap_or_default();
    let admin = check::admin(&mut document, &global.admin, dir);
    let pulls = check::pulls(&mut document, &global.pulls);
    problems.append(&mut document.problems);

    let mut read = Vec::new();
    for (path, text) in registries {
        let mut document = Document::parse(path, text);
        let name = stem(path);
        if !text::is_label(&name) {
            let flaw = Flaw::new(format!("`{name}` cannot be a registry's name"));
            document
                .report(None, flaw.help("name the file with lower-case letters, digits and inner hyphens, at most 63"));
        }
        let file: Option<file::Registry> = document.read(&schema::REGISTRY);
        let dir = path.parent().unwrap_or(dir);
        let registries = file.and_then(|file| check::registries(&mut document, &file, &global, &name, dir));
        read.push((document, registries.unwrap_or_default()));
    }
    conflict::report(&mut read);

    let mut registries = Vec::new();
    for (mut document, mut read) in read {
        problems.append(&mut document.problems);
        registries.append(&mut read);
    }
    Report::of(problems)?;
    registries.sort_by(|a, b| a.name.cmp(&b.name));
    let ca_file = global.ca_file.map(|file| dir.join(file.0));
    let (concurrency, max_writes_per_second) = (global.concurrency, global.max_writes_per_second);
    let log = global.log.map(|filter| filter.0);
    let retired = settings::Retired {
        secrets: global.retired_secrets.into_iter().map(|name| name.0).collect(),
        service_accounts: global.retired_service_accounts.into_iter().map(|name| name.0).collect(),
    };
    Ok(Settings { registries, retired, concurrency, max_writes_per_second, ca_file, log, admin, pulls })
}
