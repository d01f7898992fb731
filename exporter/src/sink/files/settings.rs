//! What people configure of a directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Files;
use crate::error::Error;
use crate::sink::{Context, Settings, Sink};

/// A directory with the current inventory: one file of JSON lines a kind, and a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The directory; created where it is missing.
    pub path: PathBuf,
}

impl Settings for Directory {
    fn resolve(&mut self, base: &Path) {
        self.path = base.join(&self.path);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn sink(&self, _: &Context) -> Result<Sink, Error> {
        Ok(Sink::snapshots(Files::new(self.path.clone())))
    }
}
