//! What people configure of a feed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Changes;
use crate::config::Selection;
use crate::error::Error;
use crate::sink::{Context, Settings, Sink};

/// A directory with every change, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The directory; created where it is missing.
    pub path: PathBuf,
    /// A file of so many MiB is followed by another.
    #[serde(default = "rotate")]
    pub rotate_mib: u64,
    /// Files of days before these are removed, read or not; 0: none.
    #[serde(default = "keep")]
    pub keep_days: u32,
    /// Which kinds and fields it shows.
    #[serde(default)]
    pub shows: Selection,
}

fn rotate() -> u64 {
    64
}

fn keep() -> u32 {
    30
}

impl Settings for Feed {
    fn resolve(&mut self, base: &Path) {
        self.path = base.join(&self.path);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        self.shows.check(sink)?;
        if self.rotate_mib == 0 {
            return Err(Error::settings(sink, "`rotate_mib` is at least 1"));
        }
        Ok(())
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        Ok(Sink::rows(Changes::new(self, context.clock.clone())))
    }
}
