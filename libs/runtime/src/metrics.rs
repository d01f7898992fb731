//! Counters of what the services do, by OpenTelemetry's API: they cost nothing where nobody reads them.
//!
//! No label holds a tenant: there may be ten thousand, and a series for each would be too many.

pub mod graph;
pub mod schedule;
pub mod sinks;
pub mod token;

#[cfg(feature = "server")]
use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};

#[cfg(feature = "server")]
use crate::trace::semconv::{ERROR_TYPE, RPC_METHOD, RPC_SERVICE, RPC_STATUS, rpc};

/// A counter that is made when it is first used: then the process has decided who reads it.
struct Named {
    name: &'static str,
    what: &'static str,
    counter: OnceLock<Counter<u64>>,
}

impl Named {
    const fn new(name: &'static str, what: &'static str) -> Self {
        Named {
            name,
            what,
            counter: OnceLock::new(),
        }
    }

    fn add(&self, n: u64, labels: &[KeyValue]) {
        let counter = self.counter.get_or_init(|| {
            let meter = global::meter("leastwise");
            meter
                .u64_counter(self.name)
                .with_description(self.what)
                .build()
        });
        counter.add(n, labels);
    }
}

/// A distribution of seconds, made when it is first used as [`Named`] is.
struct Seconds {
    name: &'static str,
    what: &'static str,
    bounds: &'static [f64],
    histogram: OnceLock<Histogram<f64>>,
}

impl Seconds {
    const fn new(name: &'static str, what: &'static str, bounds: &'static [f64]) -> Self {
        Seconds {
            name,
            what,
            bounds,
            histogram: OnceLock::new(),
        }
    }

    fn record(&self, took: Duration, labels: &[KeyValue]) {
        let histogram = self.histogram.get_or_init(|| {
            let meter = global::meter("leastwise");
            let builder = meter.f64_histogram(self.name).with_unit("s");
            let builder = builder.with_boundaries(self.bounds.to_vec());
            builder.with_description(self.what).build()
        });
        histogram.record(took.as_secs_f64(), labels);
    }
}

/// The newest of a number's values.
struct Newest {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    gauge: OnceLock<Gauge<f64>>,
}

impl Newest {
    const fn new(name: &'static str, what: &'static str, unit: &'static str) -> Self {
        Newest {
            name,
            what,
            unit,
            gauge: OnceLock::new(),
        }
    }

    fn record(&self, value: f64) {
        self.of(value, &[]);
    }

    fn of(&self, value: f64, labels: &[KeyValue]) {
        let gauge = self.gauge.get_or_init(|| {
            let meter = global::meter("leastwise");
            let builder = meter.f64_gauge(self.name).with_unit(self.unit);
            builder.with_description(self.what).build()
        });
        gauge.record(value, labels);
    }
}

#[cfg(feature = "server")]
static SERVED: Named = Named::new("rpc.server.calls", "gRPC calls answered.");
#[cfg(feature = "server")]
static HANDSHAKES: Named = Named::new(
    "leastwise.tls.handshake.failures",
    "Connections refused before a call.",
);
static PUBLISHED: Named = Named::new(
    "leastwise.pages.published",
    "Pages that the queue has confirmed.",
);
static OBJECTS: Named = Named::new(
    "leastwise.objects.published",
    "Objects on pages that the queue has confirmed.",
);
static SEALED: Named = Named::new("leastwise.runs.sealed", "Runs read to their end.");
static TAKEN: Named = Named::new("leastwise.pages.taken", "Pages taken into the inbox.");
static UNFAMILIAR: Named = Named::new(
    "leastwise.objects.unfamiliar",
    "Objects with something that this release doesn't know.",
);
static ASIDE: Named = Named::new(
    "leastwise.objects.set_aside",
    "Objects that could not be read.",
);
static EXPIRED: Named = Named::new(
    "leastwise.ledger.expired",
    "Rows of the ledger's database removed because their time was over.",
);
static UNRECONCILED: Newest = Newest::new(
    "leastwise.positions.unreconciled",
    "Licence positions that are not reconciled with Microsoft's count.",
    "",
);
static CLOSED: Named = Named::new("leastwise.runs.closed", "Runs closed in the ledger.");
static VERDICTS: Named = Named::new(
    "leastwise.verdicts.published",
    "Verdicts that the queue has confirmed.",
);
static REFUSED: Named = Named::new(
    "leastwise.messages.refused",
    "Messages of the queue that can never be handled, by reason.",
);
static DELIVERED: Named = Named::new(
    "leastwise.records.delivered",
    "Records written to or removed from a sink.",
);

/// A gRPC call was answered. `path` must be one of a bounded number.
#[cfg(feature = "server")]
pub(crate) fn served(path: &'static str, code: tonic::Code) {
    let (service, method) = rpc(path);
    let status = match code {
        tonic::Code::Ok => Cow::Borrowed("Ok"),
        other => Cow::Owned(format!("{other:?}")),
    };
    let labels = [
        KeyValue::new(RPC_SERVICE, service),
        KeyValue::new(RPC_METHOD, method),
        KeyValue::new(RPC_STATUS, status),
    ];
    SERVED.add(1, &labels);
}

/// A connection was refused before a call.
#[cfg(feature = "server")]
pub(crate) fn handshake_failed(kind: &'static str) {
    HANDSHAKES.add(1, &[KeyValue::new(ERROR_TYPE, kind)]);
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

/// A page was taken into the inbox; `gap` when it can't be used.
pub fn page_taken(dataset: &str, gap: bool) {
    TAKEN.add(1, &[dataset_is(dataset), KeyValue::new("gap", gap)]);
}

/// So many objects have something that this release doesn't know. `name` must be of a bounded number.
pub fn unfamiliar(dataset: &str, what: &str, name: &str, objects: u64) {
    let labels = [
        dataset_is(dataset),
        KeyValue::new("what", what.to_owned()),
        KeyValue::new("name", name.to_owned()),
    ];
    UNFAMILIAR.add(objects, &labels);
}

/// So many licence positions of all tenants are not reconciled with Microsoft's count.
pub fn unreconciled(positions: u64) {
    UNRECONCILED.record(positions as f64);
}

/// Objects on a page could not be read.
pub fn set_aside(dataset: &str, objects: u64) {
    if objects > 0 {
        ASIDE.add(objects, &[dataset_is(dataset)]);
    }
}

/// Rows of a table of the ledger's were removed because their time was over.
pub fn expired(table: &'static str, rows: u64) {
    EXPIRED.add(rows, &[KeyValue::new("table", table)]);
}

/// A run was closed in the ledger: applied, or not and why.
pub fn run_closed(dataset: &str, outcome: &'static str) {
    let labels = [dataset_is(dataset), KeyValue::new("outcome", outcome)];
    CLOSED.add(1, &labels);
}

/// A verdict was published.
pub fn verdict_published(dataset: &str) {
    VERDICTS.add(1, &[dataset_is(dataset)]);
}

/// A message of the queue can never be handled, for one of a bounded number of reasons.
pub fn message_refused(queue: &str, reason: &'static str) {
    let labels = [
        KeyValue::new("queue", queue.to_owned()),
        KeyValue::new("reason", reason),
    ];
    REFUSED.add(1, &labels);
}

/// Records were written to or removed from a sink of this kind.
pub fn records_delivered(kind: &'static str, records: u64) {
    DELIVERED.add(records, &[KeyValue::new("sink", kind)]);
}

fn dataset_is(name: &str) -> KeyValue {
    KeyValue::new("dataset", name.to_owned())
}
