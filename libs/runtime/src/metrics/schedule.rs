//! When collectors read what. `docs/metrics.md` lists them.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::{Named, Newest, Seconds, dataset_is};

static LATENESS: Seconds = Seconds::new(
    "leastwise.schedule.lateness",
    "How long after its cadence a dataset's run begins.",
    &[
        0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
    ],
);
static LATEST: Newest = Newest::new(
    "leastwise.schedule.latest",
    "How long the dataset waits that waits longest for its turn.",
    "s",
);
static LEASES: Named = Named::new(
    "leastwise.lease.changes",
    "Leases on tenants, by what became of them.",
);
static SKIPS: Named = Named::new(
    "leastwise.dataset.skips",
    "Datasets left out because a tenant doesn't let them be read, by the problem's code.",
);
static PAUSED: Newest = Newest::new("leastwise.tenant.paused", "Tenants that are paused.", "");

/// A run began so long after its dataset was due by its cadence.
pub fn began(dataset: &str, late: Duration) {
    LATENESS.record(late, &[dataset_is(dataset)]);
}

/// So long waits whoever waits longest now.
pub fn latest(waits: Duration) {
    LATEST.record(waits.as_secs_f64());
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

/// So many tenants are paused.
pub fn paused(tenants: usize) {
    // Far below 2^53.
    PAUSED.record(tenants as f64);
}
