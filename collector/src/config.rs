//! Settings of a collector.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{Declaration, Privacy};
use proto::ids::{Dataset, Pool};
use runtime::Problem;
use runtime::error::Exit;
use serde::{Deserialize, Serialize};

/// Settings of a collector.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Works for the tenants of this pool.
    pub pool: Pool,
    /// Tenants worked for at the same time.
    pub concurrent_tenants: usize,
    /// Datasets of one tenant read at the same time. Those that take long don't count, as many of them as these.
    pub concurrent_datasets: usize,
    /// How often a dataset is read, in seconds, where it isn't as often as its declaration says.
    pub cadence: BTreeMap<Dataset, u64>,
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
    /// Members of all groups are read, and not only of those that licences are assigned to.
    pub members_of_all_groups: bool,
    /// A collection that is read by delta is read in full after so many days: what no delta tracks is seen then.
    pub full_every_days: u64,
    /// Whether datasets become due by their cadence; without it only by command.
    pub scheduled: bool,
    /// What is left out of what is read: the section `[privacy]`, which is not the collector's alone.
    #[serde(skip)]
    pub privacy: Privacy,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            pool: "default"
                .parse()
                .unwrap_or_else(|_| unreachable!("a constant")),
            concurrent_tenants: 4,
            concurrent_datasets: 4,
            cadence: BTreeMap::new(),
            lateness_seconds: 600,
            lease_seconds: 15,
            verdict_within_seconds: 1800,
            publish_window: 8,
            ranges_above: 20_000,
            parallel_requests: 32,
            free_share: 0.2,
            members_of_all_groups: false,
            full_every_days: catalog::FULL_EVERY.as_secs() / DAY,
            scheduled: true,
            privacy: Privacy::default(),
        }
    }
}

const DAY: u64 = 24 * 3_600;

/// Nothing is read more often.
const FASTEST: u64 = 60;

impl Config {
    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-1003` naming the key and what to do.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong =
            |what, remedy: &str| Err(Problem::new("LW-1003", what, remedy).exit(Exit::Usage));
        if let Err(told) = self.privacy.check() {
            return wrong(told + ".", "correct the section [privacy]");
        }
        for (dataset, seconds) in &self.cadence {
            if catalog::find(dataset.as_str()).is_none() {
                let known: Vec<&str> = catalog::ALL.iter().map(|d| d.name).collect();
                let remedy = format!("known datasets: {}", known.join(", "));
                return wrong(
                    format!("collector.cadence: there is no dataset `{dataset}`."),
                    &remedy,
                );
            }
            if *seconds < FASTEST {
                return wrong(
                    format!("collector.cadence.{dataset} = {seconds} is too often."),
                    "name the seconds from one reading to the next, at least 60",
                );
            }
        }
        // What no delta tracks must not be older than what reports tell.
        if !(1..=30).contains(&self.full_every_days) {
            return wrong(
                format!(
                    "collector.full_every_days = {} is out of range.",
                    self.full_every_days
                ),
                "name 1 to 30 days",
            );
        }
        Ok(())
    }

    /// How often a dataset is read.
    pub(crate) fn cadence(&self, dataset: &Declaration) -> Duration {
        let named = self
            .cadence
            .iter()
            .find(|(name, _)| name.as_str() == dataset.name);
        named.map_or(dataset.cadence, |(_, seconds)| {
            Duration::from_secs(*seconds)
        })
    }

    /// What the state machine must know of a dataset.
    pub(crate) fn rules(&self, dataset: &Declaration) -> crate::run::Rules {
        crate::run::Rules {
            by_delta: dataset.by_id(),
            declaration: dataset.version,
            lateness: Duration::from_secs(self.lateness_seconds),
            full_every: Duration::from_secs(self.full_every_days * DAY),
            verdict_within: Duration::from_secs(self.verdict_within_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cadence(text: &str) -> Result<Config, Problem> {
        let config: Config = runtime::config::parse(
            &format!("[cadence]\n{text}"),
            "test",
            std::collections::HashMap::new(),
        )?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn a_cadence_is_named_for_datasets_that_there_are() {
        let config = cadence("users = 1800").unwrap();
        let of = |name: &str| config.cadence(catalog::find(name).unwrap()).as_secs();
        assert_eq!((of("users"), of("organization")), (1_800, 3_600));
        for (text, told) in [
            ("userz = 1800", "`userz`"),
            ("users = 59", "too often"),
            ("users = -1", "users"),
        ] {
            let e = cadence(text).unwrap_err().to_string();
            assert!(e.contains(told), "{e}");
        }
    }
}
