//! The same cases for every sink, and a table of what each promises.
//!
//! A new sink is one file here beside its own in `src/sink`: how to read what stands in it, and how to make it fail.
#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(feature = "object-store")]
mod bucket;
mod cases;
mod changes;
mod files;
mod flexera_one;
mod flexnet;
#[cfg(feature = "server")]
mod killed;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "server")]
mod process;
mod servicenow;
mod snipe_it;
mod snow_atlas;
mod sqlite;
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod webhook;

#[tokio::test]
async fn every_sink_holds_what_it_promises() {
    let broken = table::broken().await;
    assert!(broken.is_empty(), "{broken:#?}");
}
