//! The exporter: brings every change of the ledger into the sinks, and nothing into them that isn't in the ledger.
//!
//! It knows nothing of Microsoft Graph, runs or pages; all that it learns comes from the normalizer's feed. Where a
//! sink stands is the sink's own knowledge ([`cursor`]), so a sink that was away for a day costs nobody anything and
//! then gets only the newest state. Its entry point is [`Exporter`].

mod admin;
mod announce;
mod board;
mod cells;
mod config;
pub mod cursor;
mod delivery;
mod desk;
mod error;
mod expiry;
mod feed;
mod heads;
pub mod http;
mod identity;
mod lease;
pub mod project;
mod record;
#[cfg(feature = "server")]
pub mod server;
mod service;
mod shown;
pub mod sink;
mod states;
mod store;
mod wire;

pub use config::{Config, Selection, SinkConfig};
pub use error::Error;
pub use service::{Admin, Deps, Exporter};
pub use store::MIGRATIONS;

/// The page's example is built and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/adding-a-sink.md")]
mod adding_a_sink {}
