//! A PostgreSQL database for people's own queries: a table with typed columns for each kind, to which several exporters
//! deliver.
//!
//! Mapping: [`tables`], by the contracts' descriptors; a row a record, and a row for what lives inside one, replaced as a
//! set with it; [`views`] for people. Idempotency: the cursor stands beside the rows, see [`cursor`].

#[cfg(feature = "postgres")]
mod batch;
#[cfg(feature = "postgres")]
mod ddl;
#[cfg(feature = "postgres")]
mod merge;
#[cfg(feature = "postgres")]
mod open;
#[cfg(feature = "postgres")]
mod plan;
mod settings;
#[cfg(feature = "postgres")]
mod shape;
#[cfg(feature = "postgres")]
mod sink;
#[cfg(feature = "postgres")]
mod tables;
#[cfg(all(test, feature = "postgres"))]
mod tests;
#[cfg(feature = "postgres")]
mod text;
#[cfg(feature = "postgres")]
mod upgrade;
#[cfg(feature = "postgres")]
mod views;

pub use settings::Postgres;
#[cfg(feature = "postgres")]
use sink::Database;
