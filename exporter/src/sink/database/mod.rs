//! Databases for people's own queries: a SQLite file with every record as JSON and a view for each kind, or a PostgreSQL
//! database with a table for each kind, to which several exporters deliver. Their cursor is in `cursor`.

mod cursor;
mod postgres;
mod sqlite;

pub use postgres::Postgres;
pub use sqlite::Sqlite;
