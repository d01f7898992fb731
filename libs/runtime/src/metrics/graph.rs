//! What the collector asks of Graph. `docs/metrics.md` lists them.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

use super::{Named, Seconds, dataset_is};

static REQUESTS: Named = Named::new("leastwise.graph.requests", "Requests answered by Graph.");
static RETRIES: Named = Named::new("leastwise.graph.retries", "Requests asked again, by why.");
static BYTES: Named = Named::new(
    "leastwise.graph.bytes",
    "Bytes of Graph's answers, decompressed.",
);
static UNITS: Named = Named::new(
    "leastwise.graph.units",
    "Resource units that Graph says requests have cost.",
);
static THROTTLED: Named = Named::new(
    "leastwise.graph.throttled",
    "Requests refused because a budget was used up.",
);
static WAITS: Seconds = Seconds::new(
    "leastwise.graph.wait.duration",
    "How long requests wait for a budget.",
    &[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0],
);
static USED: OnceLock<Histogram<f64>> = OnceLock::new();

fn bucket_is(name: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("bucket", name)]
}

/// Graph answered a request for a dataset with this HTTP status.
pub fn answered(dataset: &str, status: u16) {
    let labels = [
        dataset_is(dataset),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    REQUESTS.add(1, &labels);
}

/// A request is asked again, for one of few reasons.
pub fn retried(dataset: &str, reason: &'static str) {
    RETRIES.add(1, &[dataset_is(dataset), KeyValue::new("reason", reason)]);
}

/// An answer had so many bytes.
pub fn received(dataset: &str, bytes: usize) {
    BYTES.add(bytes as u64, &[dataset_is(dataset)]);
}

/// Graph says that requests for a dataset have cost so much.
pub fn cost(dataset: &str, units: u64) {
    UNITS.add(units, &[dataset_is(dataset)]);
}

/// A request was refused because a budget of this bucket was used up.
pub fn throttled(bucket: &'static str) {
    THROTTLED.add(1, &bucket_is(bucket));
}

/// A request goes after it has waited so long for a budget of this bucket.
pub fn waited(bucket: &'static str, wait: Duration) {
    WAITS.record(wait, &bucket_is(bucket));
}

/// A request goes while this share of what its budget is believed to allow in a window is used.
pub fn used(bucket: &'static str, share: f64) {
    let histogram = USED.get_or_init(|| {
        let meter = global::meter("leastwise");
        let builder = meter.f64_histogram("leastwise.graph.budget.used");
        let builder = builder.with_description("The used share of what a budget allows.");
        let bounds = vec![0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];
        builder.with_boundaries(bounds).build()
    });
    histogram.record(share, &bucket_is(bucket));
}
