//! Settings of a collector.

use std::time::Duration;

use proto::ids::Pool;
use serde::{Deserialize, Serialize};

/// Settings of a collector.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Works for the tenants of this pool.
    pub pool: Pool,
    /// Tenants worked for at the same time.
    pub concurrent_tenants: usize,
    /// How long a replica of Graph may be behind: a change that the delta named is asked for again after this time,
    /// and so is a suspect. Graph documents no bound.
    pub lateness_seconds: u64,
    /// How long a lease lasts without a heartbeat.
    pub lease_seconds: u64,
    /// How long a verdict may take before the run is read again; doubled with each repetition.
    pub verdict_within_seconds: u64,
    /// Pages on their way to the queue without its confirmation.
    pub publish_window: usize,
    /// A collection of more objects is read in ranges, several at a time.
    pub ranges_above: u64,
    /// Requests for ranges of one collection at the same time, at most.
    pub parallel_requests: usize,
    /// Where all applications of a tenant have a limit together (Intune, usage reports): the share of ours that is not
    /// used, from 0 to 0.95.
    pub free_share: f64,
    /// Whether datasets become due by their cadence; without it only by command.
    pub scheduled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            pool: "default"
                .parse()
                .unwrap_or_else(|_| unreachable!("a constant")),
            concurrent_tenants: 4,
            lateness_seconds: 600,
            lease_seconds: 15,
            verdict_within_seconds: 1800,
            publish_window: 8,
            ranges_above: 20_000,
            parallel_requests: 32,
            free_share: 0.2,
            scheduled: true,
        }
    }
}

impl Config {
    /// What the state machine must know of a dataset.
    pub(crate) fn rules(&self, dataset: &catalog::Declaration) -> crate::run::Rules {
        crate::run::Rules {
            by_delta: dataset.by_id(),
            declaration: dataset.version,
            lateness: Duration::from_secs(self.lateness_seconds),
            full_every: catalog::FULL_EVERY,
            verdict_within: Duration::from_secs(self.verdict_within_seconds),
        }
    }
}
