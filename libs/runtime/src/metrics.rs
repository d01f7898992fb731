//! What the services do, by OpenTelemetry's API: it costs nothing where nobody reads it. `docs/telemetry.md` is made from
//! these declarations.
//!
//! The label `tenant` is bounded ([`tenants`]): there may be ten thousand, and a series for each would be too many. No label
//! holds a caller or a person.

pub(crate) mod calls;
pub mod graph;
mod instrument;
pub mod ledger;
pub mod messages;
pub mod schedule;
pub mod sinks;
pub mod tenants;
pub mod token;

use opentelemetry::KeyValue;

pub use instrument::{Instrument, Kind};

/// Every instrument, by the processes that have it.
pub fn reference() -> [(&'static str, Vec<&'static Instrument>); 5] {
    let of = |lists: &[&'static [&'static Instrument]]| lists.concat();
    [
        ("The token-broker", of(&[token::LISTED])),
        ("The collector", of(&[graph::LISTED, schedule::LISTED])),
        ("The normalizer", of(&[ledger::LISTED])),
        ("The exporter", of(&[sinks::LISTED])),
        ("All processes", of(&[messages::LISTED, calls::LISTED])),
    ]
}

fn dataset_is(name: &str) -> KeyValue {
    KeyValue::new("dataset", name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_is_declared_once_and_says_what_it_means() {
        let mut names = BTreeSet::new();
        for instrument in reference().into_iter().flat_map(|(_, all)| all) {
            assert!(names.insert(instrument.prometheus()), "{}", instrument.name);
            assert!(instrument.what.ends_with('.'), "{}", instrument.name);
            assert!(!instrument.unit.is_empty(), "{}", instrument.name);
        }
    }
}
