//! One process: SQLite and the embedded queue.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod e2e;
/// Minutes of waiting for Graph, which only a clock that jumps makes bearable. What is waited for is the same in every
/// setting.
#[path = "e2e/graph_faults.rs"]
mod graph_faults;

const SETTING: tests::world::Setting = tests::world::Setting::Embedded;
