//! docs/records.md and docs/schema say of records what the .proto files and the declarations do: they are made from them.
//!
//! `cargo xtask records` writes them.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod message;
mod page;
mod personal;
mod reference;
mod schema;
