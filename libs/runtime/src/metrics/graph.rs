//! What the collector asks of Graph, and publishes.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::dataset_is;
use super::instrument::instruments;

instruments! {
    REQUESTS: Counter = "leastwise.graph.requests", "{request}", ["dataset", "http.response.status_code"],
        "Requests that Graph answered; a `$batch` is one.";
    RETRIES: Counter = "leastwise.graph.retries", "{request}", ["dataset", "reason"],
        "Requests asked again: `throttled`, `busy` (Graph fails), `token` (it was refused), `network`.";
    BYTES: Counter = "leastwise.graph.received", "By", ["dataset"],
        "Bytes of answers, decompressed; files of reports are not counted.";
    UNITS: Counter = "leastwise.graph.units", "{unit}", ["dataset"],
        "Resource units that Graph says requests have cost.";
    THROTTLED: Counter = "leastwise.graph.throttled", "{request}", ["bucket"],
        "Answers that refused because a budget was used up. A `bucket` is one of Graph's limits: `identity`, `sign_in`, `reports` (each report has one), `intune`.";
    PUBLISHED: Counter = "leastwise.pages.published", "{page}", ["dataset"],
        "Pages that the queue has confirmed.";
    OBJECTS: Counter = "leastwise.objects.published", "{object}", ["dataset"],
        "Objects on pages that the queue has confirmed.";
    SEALED: Counter = "leastwise.runs.sealed", "{run}", ["dataset"], "Runs read to their end.";
    WAITS: Histogram = "leastwise.graph.wait.duration", "s", ["bucket"],
        "How long requests wait for a budget. Waits of minutes that don't end: something else uses up the tenant's limits.",
        &[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0];
    USED: Histogram = "leastwise.graph.budget.used", "1", ["bucket"],
        "The used share of what a budget is believed to allow in a window, when a request goes.",
        &[0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];
}

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
    WAITS.took(wait, &bucket_is(bucket));
}

/// A request goes while this share of what its budget is believed to allow in a window is used.
pub fn used(bucket: &'static str, share: f64) {
    USED.record(share, &bucket_is(bucket));
}

/// A page of so many objects was published.
pub fn page_published(dataset: &str, objects: u64) {
    PUBLISHED.add(1, &[dataset_is(dataset)]);
    OBJECTS.add(objects, &[dataset_is(dataset)]);
}

/// A run was read to its end.
pub fn run_sealed(dataset: &str) {
    SEALED.add(1, &[dataset_is(dataset)]);
}
