//! The collector: leases tenants that are due, reads Microsoft Graph, publishes the raw pages and seals each run.
//!
//! It does not know what a page means: only how many objects it holds and where the next one is. Its entry point is
//! [`Collector`].

mod admin;
mod config;
mod error;
mod graph;
mod graph_error;
mod hands;
mod lease;
mod limit;
mod page;
mod population;
mod privacy;
mod publish;
mod read {
    mod batch;
    pub mod chain;
    pub mod count;
    mod csv;
    pub mod delta;
    pub mod each;
    pub mod list;
    pub mod objects;
    pub mod ranges;
    pub mod report;
    pub mod rows;
    pub mod single;
    mod trail;
}
pub mod run;
mod schedule;
mod scheduler;
mod seal;
#[cfg(feature = "server")]
pub mod server;
mod shown;
mod status;
mod store;
mod tenants;
mod token;
mod verdicts;
mod worker;

pub use admin::Admin;
pub use config::Config;
pub use read::rows::Rows;
pub use scheduler::{Collector, Deps};
pub use store::MIGRATIONS;
