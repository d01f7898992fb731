//! The same tests on PostgreSQL, and what only several processes on one ledger can do to each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "aside.rs"]
mod aside;
#[path = "explain.rs"]
mod explain;
#[path = "feed.rs"]
mod feed;
#[path = "findings.rs"]
mod findings;
#[path = "formats.rs"]
mod formats;
#[path = "guard.rs"]
mod guard;
#[path = "history.rs"]
mod history;
#[path = "holders.rs"]
mod holders;
#[path = "ledger.rs"]
mod ledger;
#[path = "privacy.rs"]
mod privacy;
#[path = "reconcile.rs"]
mod reconcile;
#[path = "retention.rs"]
mod retention;
#[path = "runs.rs"]
mod runs;
