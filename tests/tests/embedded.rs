//! One process: SQLite and the embedded queue.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod e2e;

const SETTING: tests::world::Setting = tests::world::Setting::Embedded;
