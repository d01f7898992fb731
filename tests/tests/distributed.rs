//! PostgreSQL and RabbitMQ, which each test starts for itself.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

#[path = "e2e/mod.rs"]
mod e2e;

const SETTING: tests::world::Setting = tests::world::Setting::Distributed;
