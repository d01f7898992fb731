//! The token-broker: alone holds tenant credentials and hands out short-lived access tokens for Microsoft Graph.
//!
//! It knows nothing of pages, queues or records. Its entry point is [`Broker`]; with the feature `server` it is also a
//! process, [`server`].

mod aadsts;
mod cache;
mod config;
mod entra;
mod error;
#[cfg(feature = "server")]
pub mod server;
mod service;

pub use config::{Config, TenantConfig};
pub use error::Error;
pub use service::{Broker, Deps};
