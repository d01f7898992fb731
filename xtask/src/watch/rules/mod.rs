//! The alerts about causes, by stage. A fault that lasts is seen by what shows it at present; one that happens, by what counts it.

mod collector;
mod exporter;
mod normalizer;
mod processes;
mod queue;
mod token_broker;

use super::rule::Alert;

/// All of them.
pub fn all() -> Vec<Alert> {
    let mut all = token_broker::alerts();
    all.extend(collector::alerts());
    all.extend(queue::alerts());
    all.extend(normalizer::alerts());
    all.extend(exporter::alerts());
    all.extend(processes::alerts());
    all
}
