//! For PostgreSQL: arrays as parameters, so that one prepared statement serves any number of rows.

use runtime::db::{AssertSqlSafe, Connection, Error, Value, query};

use super::Shared;
use crate::map::Mapped;

/// Rows of a statement: a page and more; bounds the memory of both sides.
const ROWS: usize = 4_000;

const INSERT: &str = "INSERT INTO record (tenant, kind, closing, source, removed, key, hash, body)
    SELECT ?, ?, ?, ?, 0, each.key, each.hash, each.body
    FROM unnest(?::text[], ?::bytea[], ?::bytea[]) AS each (key, hash, body)";

pub(super) async fn insert(
    c: &mut Connection,
    s: Shared,
    rows: &[&Mapped],
    conflict: &str,
) -> Result<u64, Error> {
    let mut affected = 0;
    for chunk in rows.chunks(ROWS) {
        let keys: Vec<&str> = chunk.iter().map(|r| r.key.as_str()).collect();
        affected += query(AssertSqlSafe([INSERT, conflict].concat()))
            .bind(s.tenant)
            .bind(s.kind as i32)
            .bind(s.closing.to_db())
            .bind(s.source)
            .bind(&keys)
            .bind(Value::Blobs(chunk.iter().map(|r| &r.hash[..]).collect()))
            .bind(Value::Blobs(chunk.iter().map(|r| &r.body[..]).collect()))
            .execute(c)
            .await?;
    }
    Ok(affected)
}
