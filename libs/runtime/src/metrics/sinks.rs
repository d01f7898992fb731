//! What the exporter does. The label `sink` is a name of the configuration.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::instrument::instruments;
use super::tenants;

instruments! {
    DELIVERED: Counter = "leastwise.records.delivered", "{record}", ["sink"],
        "Records written to or removed from sinks; here `sink` is the kind.";
    PUSHES: Histogram = "leastwise.sink.push.duration", "s", ["sink", "outcome"],
        "How long pushes to sinks behind HTTP take: `taken`, `throttled`, `too_large`, `unauthorized`, `misplaced`, `unprepared`, `transient`, `refused`, `late`.", LATENCY;
    REJECTS: Counter = "leastwise.sink.rejects", "{record}", ["sink", "reason"],
        "Records that the sink refused (`refused`), or that can't be told to it (`unfit`).";
    BREAKER: Gauge = "leastwise.sink.breaker", "{state}", ["sink"],
        "0: it works; 1: it is tried; 2: it failed and is left alone.";
    OLDEST: Gauge = "leastwise.sink.lag", "s", ["sink"],
        "Age of the oldest change that the sink lacks of any tenant, as of its last look; 0 when it lacks none.";
    TENANTS: Gauge = "leastwise.sink.tenants.behind", "{tenant}", ["sink"],
        "Tenants of which it lacks something.";
    CREDENTIAL: Gauge = "leastwise.sink.credential.left", "d", ["sink"],
        "Days until its credentials end, as `expires` says; negative when they have.";
    RECORDS: Gauge = "leastwise.sink.records", "{record}", ["sink", "state"],
        "Records of a sink: `lacking` are those that it has still to get, counted once a minute, at least (of a tenant up to 10,000; in all for two seconds); of a sink that is sent changes also `delivered` and `rejected`: the three together are the live records of the kinds that it wants, and removals that it lacks.";
    LAGGING: Table = "leastwise.tenant.sink.lag", "s", ["tenant", "sink"],
        "Age of the oldest change that a sink lacks of a tenant, where it is highest.";
    FAILING: Table = "leastwise.sink.failing", "{tenant}", ["sink", "code"],
        "Tenants of which the last push to a sink failed, by the problem's code.";
}

/// From an answer in the same machine room to the longest time-outs.
const LATENCY: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// A push ended, in one of a bounded number of ways.
pub fn pushed(sink: &str, outcome: &'static str, took: Duration) {
    PUSHES.took(took, &[sink_is(sink), KeyValue::new("outcome", outcome)]);
}

/// A sink refused records, for one of a bounded number of reasons. No records are no count: a series that only ever is 0
/// would look as if the sink could refuse for this reason.
pub fn rejected(sink: &str, reason: &'static str, records: u64) {
    if records > 0 {
        REJECTS.add(records, &[sink_is(sink), KeyValue::new("reason", reason)]);
    }
}

/// Whether a sink is left alone: `closed`, `half-open` or `open`.
pub fn breaker(sink: &str, state: &'static str) {
    let value = match state {
        "closed" => 0.0,
        "half-open" => 1.0,
        _ => 2.0,
    };
    BREAKER.is(value, &[sink_is(sink)]);
}

/// What a sink lacks: the age of the oldest change, and of how many tenants.
pub fn lag(sink: &str, oldest: Duration, tenants: u64) {
    OLDEST.is(oldest.as_secs_f64(), &[sink_is(sink)]);
    TENANTS.is(tenants as f64, &[sink_is(sink)]);
}

/// So many days are left until the sink's credentials end.
pub fn credential(sink: &str, days: i64) {
    CREDENTIAL.is(days as f64, &[sink_is(sink)]);
}

/// So many records are in one of a bounded number of states.
pub fn records(sink: &str, state: &'static str, records: u64) {
    let labels = [sink_is(sink), KeyValue::new("state", state)];
    RECORDS.is(records as f64, &labels);
}

/// Records were written to or removed from a sink of this kind.
pub fn delivered(kind: &'static str, records: u64) {
    DELIVERED.add(records, &[KeyValue::new("sink", kind)]);
}

/// What sinks lack of tenants, in seconds, and of how many tenants the last push failed, by the problem's code.
pub fn standings(lags: Vec<(String, String, f64)>, failing: Vec<(String, String, u64)>) {
    let lag = |(tenant, sink, age): (String, String, f64)| {
        (vec![tenants::is(tenant), sink_is(&sink)], age)
    };
    LAGGING.put(tenants::worst_of(lags.into_iter().map(lag).collect()));
    let failed = |(sink, code, tenants): (String, String, u64)| {
        (
            vec![sink_is(&sink), KeyValue::new("code", code)],
            tenants as f64,
        )
    };
    FAILING.put(failing.into_iter().map(failed).collect());
}

fn sink_is(name: &str) -> KeyValue {
    KeyValue::new("sink", name.to_owned())
}
