//! `COPY`: many rows into a table of PostgreSQL as one stream, the fastest way in.

use sqlx::SqlSafeStr;

use super::{Connection, Error, On};

/// Bytes of a message: few enough that neither side keeps a batch twice.
const MESSAGE: usize = 256 * 1024;

/// Copies rows into a table and says how many there were. `sql` is `COPY … FROM STDIN`, `rows` are in the format that it
/// names. As any statement within a transaction it has done nothing when it fails.
///
/// # Errors
/// When the database refuses; SQLite always does.
pub async fn copy(sql: impl SqlSafeStr, rows: &[u8], c: &mut Connection) -> Result<u64, Error> {
    let On::Postgres(c) = c.on() else {
        return Err(Error::Configuration("SQLite has no COPY".into()));
    };
    let mut copy = c.copy_in_raw(sql.into_sql_str().as_str()).await?;
    for message in rows.chunks(MESSAGE) {
        copy.send(message).await?;
    }
    copy.finish().await
}
