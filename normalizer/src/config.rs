//! Settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
}

impl Config {
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
