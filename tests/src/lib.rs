//! What tests across the services share.

pub mod bench;
pub mod broker;
pub mod chaos;
pub mod cluster;
pub mod compared;
pub mod contract;
pub mod desk;
pub mod dev;
mod expected_findings;
mod ground;
pub mod inventory;
pub mod killed;
pub mod model;
pub mod network;
pub mod otlp;
pub mod overheard;
pub mod person;
pub mod process;
pub mod provider;
pub mod reading;
pub mod reclamations;
pub mod schema;
mod setup;
pub mod truth;
pub mod watch;
pub mod world;
pub mod year;
