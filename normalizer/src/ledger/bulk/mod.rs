//! The statements that carry the load, for many rows at a time.

pub(crate) mod sqlite;
