//! For SQLite: each statement is a round trip to its thread, so one serves many rows.

use proto::kind::RecordKind;
use runtime::db::{AssertSqlSafe, Connection, Error, Query, query};

use super::Shared;
use crate::map::Mapped;

/// Rows of a multi-row statement: with more, the statement's text costs more than the round trips saved.
const ROWS: usize = 100;

/// Lets a transaction that writes much keep the indexes in memory while it goes through them in random order.
pub(super) async fn widen(c: &mut Connection) -> Result<(), Error> {
    query("PRAGMA cache_size = -32768")
        .execute(c)
        .await
        .map(drop)
}

/// No parameter has a number: sqlx asks SQLite for the name of each, and SQLite searches a list of those that have one.
const INSERT: &str = "INSERT INTO record (tenant, kind, closing, source, removed, key, hash, body)
    SELECT shared.column1, shared.column2, shared.column3, shared.column4, 0, each.column1, each.column2, each.column3
    FROM (VALUES (?,?,?,?)) AS shared, (VALUES ";

pub(super) async fn insert(
    c: &mut Connection,
    s: Shared,
    rows: &[&Mapped],
    conflict: &str,
) -> Result<u64, Error> {
    let mut affected = 0;
    for chunk in rows.chunks(ROWS) {
        let mut sql = String::with_capacity(INSERT.len() + conflict.len() + chunk.len() * 32);
        sql.push_str(INSERT);
        for i in 0..chunk.len() {
            sql.push_str(if i == 0 { "(?,?,?)" } else { ",(?,?,?)" });
        }
        sql.push_str(") AS each WHERE true");
        sql.push_str(conflict);
        let mut q = query(AssertSqlSafe(sql))
            .bind(s.tenant)
            .bind(s.kind as i32)
            .bind(s.closing.to_db())
            .bind(s.source);
        for r in chunk {
            q = q.bind(&r.key).bind(&r.hash[..]).bind(&r.body[..]);
        }
        affected += q.execute(c).await?;
    }
    Ok(affected)
}

const EXISTING: &str = "SELECT id, key, hash, closing, removed, source FROM record
    WHERE tenant = ? AND kind = ? AND key IN (??)";

pub(super) fn existing<'q>((tenant, kind): (i64, RecordKind), keys: &'q [&'q str]) -> Query<'q> {
    query(EXISTING).bind(tenant).bind(kind as i32).bind(keys)
}

const BODIES: &str = "SELECT body FROM record WHERE tenant = ? AND id IN (??)";

pub(super) fn bodies(tenant: i64, ids: &[i64]) -> Query<'_> {
    query(BODIES).bind(tenant).bind(ids)
}

const KEEP: &str =
    "INSERT INTO record_history (tenant, replaced, kind, key, closing, source, removed, body)
    SELECT tenant, ?, kind, key, closing, source, removed, body FROM record
    WHERE tenant = ? AND id IN (??) AND closing < ?";

pub(super) fn keep<'q>(s: &Shared, ids: &'q [i64]) -> Query<'q> {
    let closing = s.closing.to_db();
    let q = query(KEEP).bind(closing).bind(s.tenant).bind(ids);
    q.bind(closing)
}
