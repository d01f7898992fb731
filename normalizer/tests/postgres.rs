//! The same tests on PostgreSQL, and what only several processes on one ledger can do to each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "feed.rs"]
mod feed;
#[path = "guard.rs"]
mod guard;
#[path = "ledger.rs"]
mod ledger;
