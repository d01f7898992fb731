//! Settings.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::Privacy;
use runtime::Problem;
use runtime::error::Exit;
use serde::{Deserialize, Serialize};

use crate::names::Names;
use crate::privacy::keys::Keys;

/// Settings of the normalizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How late Graph's replicas may be, in seconds: absence counts as proven only by an answer that began so long
    /// after the record was last seen.
    pub lateness_seconds: u64,
    /// Tenants whose runs are applied at the same time, where the database is PostgreSQL.
    pub apply_concurrency: usize,
    /// When removals are held until somebody approves them.
    pub guard: Guard,
    /// How far the units counted from assignments may be from Microsoft's count.
    pub residual: Residual,
    /// How long is kept what is no longer the newest state.
    pub retention: Retention,
    /// Microsoft's table of product names; without it the names that this release knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<NamesFile>,
    /// Holds the key that pseudonyms are made with: 32 random bytes in base64. Another key makes others of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym_key_file: Option<PathBuf>,
    /// Holds the key of the list of who was erased, likewise. Without it nobody can be erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasure_key_file: Option<PathBuf>,
    /// What is left out of records or replaced: the section `[privacy]`, which is not the normalizer's alone.
    #[serde(skip)]
    pub privacy: Privacy,
}

impl Config {
    /// Makes paths relative to the directory of the configuration.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(names) = &mut self.names {
            runtime::config::below(base, &mut names.file);
        }
        for file in [&mut self.pseudonym_key_file, &mut self.erasure_key_file] {
            file.iter_mut()
                .for_each(|f| runtime::config::below(base, f));
        }
    }

    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-1003` naming the key and what to do.
    pub fn check(&self) -> Result<(), Problem> {
        self.privacy.check().map_err(|told| {
            Problem::new("LW-1003", told + ".", "correct the section [privacy]").exit(Exit::Usage)
        })
    }

    /// Looks at the files that it names, and says which of them are fine.
    ///
    /// # Errors
    /// When one can't be used.
    pub fn inspect(&self) -> Result<Vec<String>, Problem> {
        Names::load(self.names.as_ref())?;
        Keys::open(self)?;
        let names = self.names.iter();
        let fine = names.map(|n| format!("product names in {}", n.file.display()));
        let files = [&self.pseudonym_key_file, &self.erasure_key_file];
        let keys = files.into_iter().flatten();
        let keys = keys.map(|file| format!("a key of people's data in {}", file.display()));
        Ok(fine.chain(keys).collect())
    }

    /// In an installation in one process: the key files of people's data that are not named lie in this directory, and are
    /// made where they are missing.
    ///
    /// # Errors
    /// `LW-5060` or `LW-5061` when one can't be written.
    pub fn embed(&mut self, dir: &Path) -> Result<(), Problem> {
        Keys::embedded(self, dir)
    }

    /// How late Graph's replicas may be.
    pub fn lateness(&self) -> Duration {
        Duration::from_secs(self.lateness_seconds)
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            lateness_seconds: 600,
            apply_concurrency: 4,
            guard: Guard::default(),
            residual: Residual::default(),
            retention: Retention::default(),
            names: None,
            pseudonym_key_file: None,
            erasure_key_file: None,
            privacy: Privacy::default(),
        }
    }
}

/// Removals are held where more than `percent` of a dataset's records and at least `minimum` of them would go at
/// once, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Share of the live records of a dataset, in percent.
    pub percent: u64,
    /// Number of records.
    pub minimum: u64,
}

impl Default for Guard {
    fn default() -> Self {
        // A fifth of a company doesn't leave within an hour; fewer than ten people may, in a small one.
        Guard {
            percent: 20,
            minimum: 10,
        }
    }
}

/// A position is reconciled when the two countings differ by at most `units` or `percent` of Microsoft's count,
/// whichever is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Residual {
    /// Units.
    pub units: u32,
    /// Share of the units that Microsoft counts, in percent.
    pub percent: u32,
}

impl Default for Residual {
    fn default() -> Self {
        // Microsoft's count lags by some minutes, in which a few assignments change.
        Residual {
            units: 5,
            percent: 1,
        }
    }
}

/// How long rows are kept; docs/retention.md says of each what is kept longer because somebody still needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// How often each tenant is looked at, in hours.
    pub every_hours: NonZeroU32,
    /// Pages and seals whose run was never closed.
    pub inbox_days: NonZeroU32,
    /// What became of runs, and which pages records came from that no longer do.
    pub closings_days: NonZeroU32,
    /// That a record was removed: a sink that was away for longer gets a snapshot.
    pub removed_days: NonZeroU32,
    /// Suspects of datasets that are no longer read.
    pub suspects_days: NonZeroU32,
    /// Objects that could not be read, with their sources.
    pub set_aside_days: NonZeroU32,
    /// Former states of records.
    pub history_days: NonZeroU32,
}

impl Default for Retention {
    fn default() -> Self {
        const MONTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
        // A quarter: as far back as somebody looks who prepares a true-up.
        const QUARTER: NonZeroU32 = NonZeroU32::MIN.saturating_add(89);
        Retention {
            every_hours: NonZeroU32::MIN.saturating_add(23),
            inbox_days: MONTH,
            closings_days: QUARTER,
            removed_days: QUARTER,
            suspects_days: QUARTER,
            set_aside_days: MONTH,
            history_days: QUARTER,
        }
    }
}

/// Microsoft's table "Product names and service plan identifiers for licensing", as downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamesFile {
    /// The CSV file.
    pub file: PathBuf,
    /// Its SHA-256 in hexadecimal: a file that changed by itself is not taken.
    pub sha256: String,
}
