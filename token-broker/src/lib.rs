//! The token-broker: alone holds tenant credentials and hands out short-lived access tokens for Microsoft Graph.
//!
//! It knows nothing of pages, queues or records. Its entry point is [`Broker`]; with the feature `server` it is also a
//! process, [`server`].

mod aadsts;
mod admin;
pub mod audit;
mod cache;
mod claims;
mod config;
mod credential;
mod entra;
mod error;
pub mod event;
mod excess;
mod failing;
mod files;
mod issue;
mod jwt;
mod policy;
mod registry;
#[cfg(feature = "server")]
pub mod server;
mod service;
pub mod store;
mod usage;

pub use admin::Admin;
pub use config::{AppConfig, Cloud, Config, Exception, Population, TenantConfig};
pub use credential::{Algorithm, CredentialConfig, DeviceKey, Source};
pub use service::{Broker, Deps};
pub use store::Store;
