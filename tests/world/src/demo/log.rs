//! pullmint's own words: its JSON log, followed while it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::screen::{Screen, spell};
use super::secrets::left;

/// How many mints of each registry the log told of.
pub(super) type Mints = BTreeMap<String, u64>;

/// The follower; it ends when dropped.
#[derive(Debug)]
pub(super) struct Log {
    mints: Arc<Mutex<Mints>>,
    task: JoinHandle<()>,
}

impl Log {
    /// Follows a log from its beginning.
    pub(super) fn follow(path: &Path, screen: Arc<Screen>) -> Result<Self> {
        let mut file = File::open(path).context(|| format!("opening {}", path.display()))?;
        let mints = Arc::new(Mutex::new(Mints::new()));
        let mut reader = Reader { screen, mints: mints.clone(), expiries: BTreeMap::new() };
        let task = tokio::spawn(async move {
            let mut text = String::new();
            loop {
                // An error here is a character of which only the first byte is written yet.
                file.read_to_string(&mut text).ok();
                while let Some(end) = text.find('\n') {
                    reader.tell(&text[..end]);
                    text.drain(..=end);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Ok(Self { mints, task })
    }

    /// See [`Mints`].
    pub(super) fn mints(&self) -> Mints {
        self.mints.lock().expect("no panic while counting").clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reader {
    screen: Arc<Screen>,
    mints: Arc<Mutex<Mints>>,
    expiries: BTreeMap<String, Option<Timestamp>>,
}

impl Reader {
    fn tell(&mut self, line: &str) {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            // What is no log line is a complaint for people, as about the configuration.
            return self.screen.odd("pullmint", line);
        };
        let field = |name: &str| record[name].as_str().unwrap_or_default();
        match (field("level"), field("message")) {
            (_, "minted") => self.minted(field("registry"), field("verification"), field("expires")),
            ("WARN" | "ERROR", message) => {
                let about = [field("registry"), field("object"), field("error"), field("remedy")];
                let about: Vec<_> = about.into_iter().filter(|text| !text.is_empty()).collect();
                self.screen.odd("pullmint", &format!("{message}: {}", about.join(": ")));
            }
            _ => {}
        }
    }

    fn minted(&mut self, registry: &str, verification: &str, expires: &str) {
        let expires = expires.parse::<Timestamp>().ok();
        let before = self.expiries.insert(registry.to_owned(), expires);
        *self.mints.lock().expect("no panic while counting").entry(registry.to_owned()).or_default() += 1;
        let ends = match expires {
            Some(at) => format!("expires in {}", spell(rounded(left(at)))),
            None => "made by hand, without expiry".to_owned(),
        };
        let verified = match verification {
            "accepted" => "verified at the registry".to_owned(),
            other => format!("verification {other}"),
        };
        match before {
            None => self.screen.news("minted", &format!("{registry}: {verified}, {ends}")),
            Some(before) => {
                let early = before
                    .map_or(String::new(), |at| format!(", {} before the old one ends", spell(rounded(left(at)))));
                self.screen.news("renewed", &format!("{registry}: {verified}, {ends}{early}"));
            }
        }
    }
}

/// Whole seconds, as nobody wants to read more of a life.
fn rounded(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs_f64().round() as u64)
}
