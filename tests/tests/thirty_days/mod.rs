//! Thirty days of a tenant with every dataset and everything that the simulator lets happen: the inventory is the tenant in
//! the end, and what the collector has published makes the same ledger again, on either database, however it is delivered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the whole file is a test"
)]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod days;
mod replay;
