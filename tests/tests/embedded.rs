//! One process: SQLite and the embedded queue.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

#[path = "e2e/mod.rs"]
mod e2e;
/// Minutes of waiting for Graph, which only a clock that jumps makes bearable. What is waited for is the same in every
/// setting.
#[path = "e2e/graph_faults.rs"]
mod graph_faults;
/// Reckons with a delta link that is a week old to the second, which real servers are too slow for.
#[path = "e2e/held.rs"]
mod held;
/// The same of messages that are lost: their runs are read again after half an hour. Real queues are struck by the kill test.
#[path = "e2e/queue_faults.rs"]
mod queue_faults;

const SETTING: tests::world::Setting = tests::world::Setting::Embedded;
