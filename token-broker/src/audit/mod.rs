//! Who got which token, and who changed what: records that are chained by their hashes, durable before a token leaves, and
//! told elsewhere by signed checkpoints.
//!
//! A record is one line of JSON; it ends in its own hash and holds the hash of the record before. Whoever changes, removes
//! or inserts one breaks the chain; whoever cuts the end off contradicts a checkpoint that was sent elsewhere.

mod checkpoint;
mod desk;
mod log;
mod record;
mod segment;
pub mod verify;

use std::path::{Path, PathBuf};

use runtime::config::below;
use serde::{Deserialize, Serialize};

pub use log::Audit;
pub(crate) use record::{Credential, Event, Kind, bounded, hex};

/// `[audit]`: where records go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Directory of the records, used by one process at a time. Without it nothing is audited and no token is issued.
    #[serde(default = "default_directory")]
    pub directory: PathBuf,
    /// File that checkpoints are appended to besides the directory: on a volume that this process may append to only, or
    /// that somebody else collects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_file: Option<PathBuf>,
    /// A checkpoint is written after so many records at the latest,
    #[serde(default = "default_records")]
    pub checkpoint_records: u64,
    /// or after so many seconds in which there were some.
    #[serde(default = "default_seconds")]
    pub checkpoint_seconds: u64,
}

fn default_directory() -> PathBuf {
    "audit".into()
}

fn default_records() -> u64 {
    10_000
}

fn default_seconds() -> u64 {
    60
}

impl Default for Config {
    fn default() -> Self {
        Config {
            directory: default_directory(),
            checkpoint_file: None,
            checkpoint_records: default_records(),
            checkpoint_seconds: default_seconds(),
        }
    }
}

impl Config {
    /// In this directory, with everything else as usual.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Config {
            directory: directory.into(),
            ..Config::default()
        }
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        below(base, &mut self.directory);
        if let Some(file) = &mut self.checkpoint_file {
            below(base, file);
        }
    }
}
