//! What people configure of a directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Files;
use crate::config::Selection;
use crate::error::Error;
use crate::sink::format::{Compression, CsvOptions, Encoding, Format};
use crate::sink::partitioned::{self, Partitioned};
use crate::sink::{Context, Guard, Settings, Sink};

/// A directory with the current inventory: files and a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The directory; created where it is missing.
    pub path: PathBuf,
    /// What the files are.
    #[serde(default)]
    pub format: Format,
    /// How files of texts are compressed; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Which files there are.
    #[serde(default)]
    pub layout: Layout,
    /// How CSV is written.
    #[serde(default)]
    pub csv: CsvOptions,
    /// Which kinds and fields it shows.
    #[serde(default)]
    pub shows: Selection,
    /// When a state that is much smaller than the one before is refused.
    #[serde(default)]
    pub guard: Guard,
}

/// Which files there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One a kind, all tenants in it.
    #[default]
    Kind,
    /// One a tenant and kind.
    Partitioned,
}

impl Directory {
    /// A directory with the defaults.
    pub fn new(path: PathBuf) -> Self {
        Directory {
            path,
            ..Directory::default()
        }
    }

    fn encoding(&self) -> Encoding {
        Encoding {
            format: self.format,
            compression: self.compression,
            csv: self.csv,
            shows: self.shows.clone(),
        }
    }
}

impl Settings for Directory {
    fn resolve(&mut self, base: &Path) {
        self.path = base.join(&self.path);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        self.guard.check(sink)?;
        self.encoding().check(sink)?;
        if (self.layout, self.format) == (Layout::Partitioned, Format::Xlsx) {
            let why = "a workbook is one file with all tenants: leave `layout` out";
            return Err(Error::settings(sink, why));
        }
        Ok(())
    }

    fn sink(&self, _: &Context) -> Result<Sink, Error> {
        let (path, encoding) = (self.path.clone(), self.encoding());
        Ok(match self.layout {
            Layout::Kind => Sink::snapshots(Files::new(path, encoding, self.guard)),
            Layout::Partitioned => {
                let place = partitioned::Local::new(path.clone());
                Sink::snapshots(Partitioned::new(
                    place,
                    path.join(".spool"),
                    encoding,
                    self.guard,
                ))
            }
        })
    }
}
