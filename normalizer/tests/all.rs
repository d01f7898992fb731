//! The normalizer on real databases: one program, so that it is linked once.
#![allow(
    clippy::duplicate_mod,
    reason = "some are tried once more with PostgreSQL"
)]

mod aside;
mod explain;
mod feed;
mod findings;
mod formats;
mod guard;
mod history;
mod holders;
mod ledger;
mod postgres;
mod privacy;
mod reconcile;
mod retention;
mod runs;
mod trouble;
