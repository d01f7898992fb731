//! What is measured, declared once: each declaration is an instrument and a line of the reference.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{self as otel, Meter};
use opentelemetry::{KeyValue, global};

/// What is known of an instrument.
#[derive(Debug)]
pub struct Instrument {
    /// As OpenTelemetry spells it, with dots.
    pub name: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// By UCUM: `1` for a share, in braces what is counted.
    pub unit: &'static str,
    /// The keys of its attributes; no measurement has others.
    pub labels: &'static [&'static str],
    /// What it means, and what the values of its attributes mean.
    pub what: &'static str,
}

/// The sort of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A distribution.
    Histogram,
    /// The newest of a number's values.
    Gauge,
}

impl Kind {
    /// As the reference says it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Gauge => "gauge",
        }
    }
}

impl Instrument {
    /// As Prometheus spells it: dots become underscores, the unit and `_total` are added.
    pub fn prometheus(&self) -> String {
        let mut name = self.name.replace('.', "_");
        name += match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            "d" => "_days",
            "1" => "_ratio",
            _ => "",
        };
        if self.kind == Kind::Counter {
            name += "_total";
        }
        name
    }

    fn texts(&self) -> (&'static str, &'static str, &'static str) {
        (self.name, self.unit, self.what)
    }

    fn allows(&self, labels: &[KeyValue]) -> bool {
        let known = |label: &KeyValue| self.labels.contains(&label.key.as_str());
        labels.iter().all(known)
    }
}

/// Declares instruments, and lists them.
macro_rules! instruments {
    ($($name:ident: $type:ident = $otel:literal, $unit:literal, [$($label:expr),*], $what:literal $(, $bounds:expr)?;)*) => {
        $(
            static $name: $crate::metrics::instrument::$type = $crate::metrics::instrument::$type::new(
                $crate::metrics::instrument::Instrument {
                    name: $otel,
                    kind: $crate::metrics::instrument::$type::KIND,
                    unit: $unit,
                    labels: &[$($label),*],
                    what: $what,
                }
                $(, $bounds)?
            );
        )*
        /// Every instrument of this module.
        pub(super) static LISTED: &[&$crate::metrics::instrument::Instrument] = &[$($name.declared()),*];
    };
}
pub(super) use instruments;

/// The one meter.
fn meter() -> Meter {
    global::meter("leastwise")
}

/// Declares a type that holds an instrument of OpenTelemetry's, made when it is first used: then the process has decided
/// who reads it.
macro_rules! instrument {
    ($(#[$doc:meta])* $type:ident, $kind:ident, $otel:ty $(, $bounds:ident: $of:ty)?) => {
        $(#[$doc])*
        pub(super) struct $type {
            instrument: Instrument,
            $($bounds: $of,)?
            made: OnceLock<$otel>,
        }

        impl $type {
            pub(super) const KIND: Kind = Kind::$kind;

            pub(super) const fn new(instrument: Instrument $(, $bounds: $of)?) -> Self {
                $type { instrument, $($bounds,)? made: OnceLock::new() }
            }

            pub(super) const fn declared(&self) -> &Instrument {
                &self.instrument
            }
        }
    };
}

instrument!(
    /// A number that only grows.
    Counter, Counter, otel::Counter<u64>
);
instrument!(
    /// A distribution; the bounds are those of its buckets.
    Histogram, Histogram, otel::Histogram<f64>, bounds: &'static [f64]
);
instrument!(
    /// The newest of a number's values.
    Gauge, Gauge, otel::Gauge<f64>
);
instrument!(
    /// Values by attributes that come and go: what is put down takes the place of everything before. For what there may be
    /// thousands of, of which the worst are shown.
    Table, Gauge, Arc<Mutex<Rows>>
);

type Rows = Vec<(Vec<KeyValue>, f64)>;

impl Counter {
    pub(super) fn add(&self, n: u64, labels: &[KeyValue]) {
        debug_assert!(self.instrument.allows(labels), "{labels:?}");
        let counter = self.made.get_or_init(|| {
            let (name, unit, what) = self.instrument.texts();
            meter()
                .u64_counter(name)
                .with_unit(unit)
                .with_description(what)
                .build()
        });
        counter.add(n, labels);
    }
}

impl Histogram {
    pub(super) fn record(&self, value: f64, labels: &[KeyValue]) {
        debug_assert!(self.instrument.allows(labels), "{labels:?}");
        let histogram = self.made.get_or_init(|| {
            let (name, unit, what) = self.instrument.texts();
            meter()
                .f64_histogram(name)
                .with_unit(unit)
                .with_description(what)
                .with_boundaries(self.bounds.to_vec())
                .build()
        });
        histogram.record(value, labels);
    }

    pub(super) fn took(&self, took: Duration, labels: &[KeyValue]) {
        self.record(took.as_secs_f64(), labels);
    }
}

impl Gauge {
    pub(super) fn is(&self, value: f64, labels: &[KeyValue]) {
        debug_assert!(self.instrument.allows(labels), "{labels:?}");
        let gauge = self.made.get_or_init(|| {
            let (name, unit, what) = self.instrument.texts();
            meter()
                .f64_gauge(name)
                .with_unit(unit)
                .with_description(what)
                .build()
        });
        gauge.record(value, labels);
    }
}

impl Table {
    pub(super) fn put(&self, rows: Rows) {
        debug_assert!(
            rows.iter()
                .all(|(labels, _)| self.instrument.allows(labels))
        );
        let shown = self.made.get_or_init(|| {
            let shown = Arc::<Mutex<Rows>>::default();
            let read = Arc::clone(&shown);
            // A gauge would show the last value of a row that is gone for ever; this one forgets it.
            let (name, unit, what) = self.instrument.texts();
            let _shown_from_now_on = meter()
                .f64_observable_up_down_counter(name)
                .with_unit(unit)
                .with_description(what)
                .with_callback(move |o| {
                    let rows = read.lock().unwrap_or_else(PoisonError::into_inner);
                    rows.iter()
                        .for_each(|(labels, value)| o.observe(*value, labels));
                })
                .build();
            shown
        });
        *shown.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}
