//! The files that make a configuration: the directory's own, and that of the certificate authorities which they name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::{Report, Settings, Texts};
use crate::provider::Outside;

/// A directory, as it was last read.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Between two looks.
    pub(super) every: Duration,
    texts: Texts,
    /// What the texts say.
    settings: Result<Settings, Report>,
    authorities: Authorities,
    /// The way that was last accepted, and the authorities of that time.
    outside: Option<(Authorities, Arc<Outside>)>,
}

/// The digest of what their file holds, if one is named.
type Authorities = Option<Result<[u8; 32], ErrorKind>>;

/// A configuration that can be put to work.
#[derive(Debug)]
pub struct Accepted {
    /// What it says.
    pub settings: Settings,
    /// The way to registries and clouds. It is the same one for as long as the same authorities are trusted.
    pub outside: Arc<Outside>,
}

impl Directory {
    /// Reads it for the first time. Between two looks there will be so much time.
    ///
    /// # Errors
    /// With every problem of every file, if there is one.
    pub fn open(path: &Path, every: Duration, clock: &Arc<dyn Clock>) -> Result<(Accepted, Self), Report> {
        let texts = Texts::read(path);
        let settings = texts.settings();
        let authorities = authorities(&settings);
        let mut directory = Self { path: path.to_owned(), every, texts, settings, authorities, outside: None };
        Ok((directory.accept(clock)?, directory))
    }

    /// Reads it again, and tells whether anything is other than before.
    pub(super) fn look(&mut self) -> bool {
        let texts = Texts::read(&self.path);
        let other_texts = texts != self.texts;
        if other_texts {
            self.settings = texts.settings();
            self.texts = texts;
        }
        let authorities = authorities(&self.settings);
        let other_authorities = authorities != self.authorities;
        self.authorities = authorities;
        other_texts || other_authorities
    }

    /// What was last read, if all of it can be used.
    ///
    /// # Errors
    /// With every problem of every file, if there is one.
    pub(super) fn accept(&mut self, clock: &Arc<dyn Clock>) -> Result<Accepted, Report> {
        let settings = self.settings.clone()?;
        let outside = match &self.outside {
            Some((authorities, outside)) if *authorities == self.authorities => Arc::clone(outside),
            _ => self.way_out(&settings, clock)?,
        };
        self.outside = Some((self.authorities, Arc::clone(&outside)));
        Ok(Accepted { settings, outside })
    }

    fn way_out(&self, settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Arc<Outside>, Report> {
        let outside = Outside::new(settings.ca_file.as_deref(), Arc::clone(clock));
        outside.map(Arc::new).map_err(|error| self.texts.objection("ca_file", error.chain(), error.remedy))
    }
}

fn authorities(settings: &Result<Settings, Report>) -> Authorities {
    let file = settings.as_ref().ok()?.ca_file.as_deref()?;
    Some(fs::read(file).map(|pem| Sha256::digest(pem).into()).map_err(|error| error.kind()))
}
