//! The tests of the sinks that are databases once more, with PostgreSQL.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "sqlite.rs"]
mod rows;
