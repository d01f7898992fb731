//! When collectors read what.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::instrument::instruments;
use super::{dataset_is, tenants};

instruments! {
    LATENESS: Histogram = "leastwise.schedule.lateness", "s", ["dataset"],
        "How long after its cadence, or the end of its rest, a dataset's run begins.",
        &[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
    LATEST: Gauge = "leastwise.schedule.latest", "s", [],
        "How long the dataset waits that waits longest for its turn, paused tenants aside; 0 where none waits. One that grows: too few collectors, or too many tenants for them.";
    LEASES: Counter = "leastwise.lease.changes", "{lease}", ["change"],
        "Leases on tenants: `taken` (free), `taken_over` (another process had not prolonged it in time), `lost` (to another process). The last two without a restart are worth a look.";
    SKIPS: Counter = "leastwise.dataset.skips", "{dataset}", ["dataset", "code"],
        "Datasets left out because the tenant doesn't let them be read; `code` is the problem's.";
    TENANTS: Table = "leastwise.tenants", "{tenant}", ["state"],
        "Tenants of this pool: `fresh`, `stale` (a dataset that succeeded or failed last more than two cadences and 15 minutes ago), `paused`. As the collectors' database says, whoever asks.";
    LATE: Table = "leastwise.tenant.lateness", "s", ["tenant"],
        "How long the dataset waits that waits longest for its turn, of the tenants where it is longest. As the database says, whoever asks.";
    STALE: Table = "leastwise.tenant.stale", "s", ["tenant", "dataset"],
        "Age of the newest reading that the ledger has applied, of the datasets where it is highest beside their cadence. As the database says, whoever asks.";
    FAILING: Table = "leastwise.dataset.failing", "s", ["tenant", "dataset", "code"],
        "How long ago a dataset succeeded that failed last, with the problem's code, where it is longest. As the database says, whoever asks.";
    VERDICTS: Table = "leastwise.tenant.verdict.wait", "s", ["tenant"],
        "Age of the oldest seal without a verdict, of the tenants where it is highest. As the database says, whoever asks.";
}

/// A run began so long after its dataset was due by its cadence.
pub fn began(dataset: &str, late: Duration) {
    LATENESS.took(late, &[dataset_is(dataset)]);
}

/// So long waits whoever waits longest now.
pub fn latest(waits: Duration) {
    LATEST.is(waits.as_secs_f64(), &[]);
}

/// What became of a lease.
#[derive(Clone, Copy, Debug)]
pub enum LeaseChange {
    /// It was free.
    Taken,
    /// Its holder hadn't prolonged it in time.
    TakenOver,
    /// Another process has taken it over from this one.
    Lost,
}

/// A lease changed hands.
pub fn lease(change: LeaseChange) {
    let change = match change {
        LeaseChange::Taken => "taken",
        LeaseChange::TakenOver => "taken_over",
        LeaseChange::Lost => "lost",
    };
    LEASES.add(1, &[KeyValue::new("change", change)]);
}

/// A dataset is left out for now, for a problem with this code.
pub fn skipped(dataset: &str, code: &str) {
    SKIPS.add(
        1,
        &[dataset_is(dataset), KeyValue::new("code", code.to_owned())],
    );
}

/// What the datasets of all tenants are at.
#[derive(Debug, Default)]
pub struct Tenants {
    /// Tenants of whom everything is fresh.
    pub fresh: u64,
    /// Tenants of whom something is stale.
    pub stale: u64,
    /// Tenants that are paused.
    pub paused: u64,
    /// How long tenants wait for their turn, in seconds.
    pub late: Vec<(String, f64)>,
    /// Tenants' datasets with the age of what the ledger has applied, in seconds, the highest beside their cadence first.
    pub ages: Vec<(String, String, f64)>,
    /// Tenants' datasets that fail, with the problem's code and for how many seconds.
    pub failing: Vec<(String, String, String, f64)>,
    /// How long tenants wait for a verdict, in seconds.
    pub verdicts: Vec<(String, f64)>,
}

/// Shows what the datasets of all tenants are at.
pub fn tenants(all: Tenants) {
    let of = |state, n: u64| (vec![KeyValue::new("state", state)], n as f64);
    TENANTS.put(vec![
        of("fresh", all.fresh),
        of("stale", all.stale),
        of("paused", all.paused),
    ]);
    LATE.put(tenants::worst(all.late));
    VERDICTS.put(tenants::worst(all.verdicts));
    let aged = |(tenant, dataset, age): (String, String, f64)| {
        (vec![tenants::is(tenant), dataset_is(&dataset)], age)
    };
    STALE.put(
        all.ages
            .into_iter()
            .take(tenants::SHOWN)
            .map(aged)
            .collect(),
    );
    let failing = all.failing.into_iter().map(|(tenant, dataset, code, age)| {
        (
            vec![
                tenants::is(tenant),
                dataset_is(&dataset),
                KeyValue::new("code", code),
            ],
            age,
        )
    });
    FAILING.put(tenants::worst_of(failing.collect()));
}
