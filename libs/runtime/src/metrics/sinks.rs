//! Of sinks behind HTTP. The label `sink` is a name of the configuration.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::{Named, Newest, Seconds};

/// From an answer in the same machine room to the longest time-outs.
const LATENCY: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

static PUSHES: Seconds = Seconds::new(
    "leastwise.sink.push.duration",
    "How long pushes take.",
    LATENCY,
);
static REJECTS: Named = Named::new("leastwise.sink.rejects", "Records that sinks refused.");
static BREAKER: Newest = Newest::new(
    "leastwise.sink.breaker",
    "Whether a sink is left alone: 0 no, 1 it is tried, 2 yes.",
    "",
);
static OLDEST: Newest = Newest::new(
    "leastwise.sink.lag",
    "Age of the oldest change that a sink lacks of any tenant.",
    "s",
);
static TENANTS: Newest = Newest::new(
    "leastwise.sink.tenants.behind",
    "Tenants of which a sink lacks something.",
    "",
);
static CREDENTIAL: Newest = Newest::new(
    "leastwise.sink.credential.left",
    "Days until a sink's credentials end, negative when they have.",
    "d",
);
static RECORDS: Newest = Newest::new(
    "leastwise.sink.records",
    "Records of all tenants by what became of them.",
    "",
);

/// A push ended, in one of a bounded number of ways.
pub fn pushed(sink: &str, outcome: &'static str, took: Duration) {
    PUSHES.record(took, &[sink_is(sink), KeyValue::new("outcome", outcome)]);
}

/// A sink refused records, for one of a bounded number of reasons.
pub fn rejected(sink: &str, reason: &'static str, records: u64) {
    REJECTS.add(records, &[sink_is(sink), KeyValue::new("reason", reason)]);
}

/// Whether a sink is left alone: `closed`, `half-open` or `open`.
pub fn breaker(sink: &str, state: &'static str) {
    let value = match state {
        "closed" => 0.0,
        "half-open" => 1.0,
        _ => 2.0,
    };
    BREAKER.of(value, &[sink_is(sink)]);
}

/// What a sink lacks: the age of the oldest change, and of how many tenants.
pub fn lag(sink: &str, oldest: Duration, tenants: u64) {
    OLDEST.of(oldest.as_secs_f64(), &[sink_is(sink)]);
    TENANTS.of(tenants as f64, &[sink_is(sink)]);
}

/// So many days are left until the sink's credentials end.
pub fn credential(sink: &str, days: i64) {
    CREDENTIAL.of(days as f64, &[sink_is(sink)]);
}

/// So many records are in one of a bounded number of states.
pub fn records(sink: &str, state: &'static str, records: u64) {
    let labels = [sink_is(sink), KeyValue::new("state", state)];
    RECORDS.of(records as f64, &labels);
}

fn sink_is(name: &str) -> KeyValue {
    KeyValue::new("sink", name.to_owned())
}
