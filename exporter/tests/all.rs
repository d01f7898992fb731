//! The exporter against real sinks: one program, so that it is linked once.
#![allow(
    clippy::duplicate_mod,
    reason = "some are tried once more with PostgreSQL"
)]

mod bucket;
mod changes;
mod conformance;
mod day;
mod files;
mod flexera_one;
mod flexnet;
mod formats;
mod healing;
mod postgres;
mod read_by_others;
mod selection;
mod sent;
mod servicenow;
mod snipe_it;
mod snow_atlas;
mod sqlite;
