//! Bulk statements for SQLite: each statement is a round trip to its thread, so one serves many rows.

use futures::TryStreamExt as _;
use proto::ids::Closing;
use proto::kind::RecordKind;
use roaring::RoaringTreemap;
use sqlx::{AssertSqlSafe, Result, Row as _, SqliteConnection};

use crate::map::Mapped;

/// Rows of a multi-row statement: with more, the statement's text costs more than the round trips saved.
const ROWS: usize = 100;

/// Lets a transaction that writes much keep the indexes in memory while it goes through them in random order.
pub(crate) async fn widen(c: &mut SqliteConnection) -> Result<()> {
    sqlx::query("PRAGMA cache_size = -32768")
        .execute(c)
        .await
        .map(drop)
}

/// What all rows of a statement share.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    pub tenant: i64,
    pub kind: RecordKind,
    pub closing: Closing,
    /// The page that they come from; none for derived records.
    pub source: Option<i64>,
}

/// A record as far as a comparison needs it.
pub(crate) struct Existing {
    pub id: i64,
    pub key: String,
    pub hash: Vec<u8>,
    pub closing: i64,
    pub removed: bool,
    pub source: Option<i64>,
}

fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

/// Records with one of these keys.
pub(crate) async fn existing(
    c: &mut SqliteConnection,
    (tenant, kind): (i64, RecordKind),
    keys: &[&str],
) -> Result<Vec<Existing>> {
    let sql = "SELECT id, key, hash, closing, removed, source FROM record
        WHERE tenant = ? AND kind = ? AND key IN (SELECT value FROM json_each(?))";
    let mut rows = sqlx::query(sql)
        .bind(tenant)
        .bind(kind as i32)
        .bind(json(keys))
        .fetch(c);
    let mut out = Vec::with_capacity(keys.len());
    while let Some(r) = rows.try_next().await? {
        out.push(Existing {
            id: r.try_get(0)?,
            key: r.try_get(1)?,
            hash: r.try_get(2)?,
            closing: r.try_get(3)?,
            removed: r.try_get(4)?,
            source: r.try_get(5)?,
        });
    }
    Ok(out)
}

/// No parameter has a number: sqlx asks SQLite for the name of each, and SQLite searches a list of those that have one.
const INSERT: &str = "INSERT INTO record (tenant, kind, closing, source, removed, key, hash, body)
    SELECT shared.column1, shared.column2, shared.column3, shared.column4, 0, each.column1, each.column2, each.column3
    FROM (VALUES (?,?,?,?)) AS shared, (VALUES ";

async fn insert(
    c: &mut SqliteConnection,
    s: Shared,
    rows: &[&Mapped],
    conflict: &str,
) -> Result<u64> {
    let mut affected = 0;
    for chunk in rows.chunks(ROWS) {
        let mut sql = String::with_capacity(INSERT.len() + conflict.len() + chunk.len() * 32);
        sql.push_str(INSERT);
        for i in 0..chunk.len() {
            sql.push_str(if i == 0 { "(?,?,?)" } else { ",(?,?,?)" });
        }
        sql.push_str(") AS each WHERE true");
        sql.push_str(conflict);
        let mut q = sqlx::query(AssertSqlSafe(sql));
        q = q
            .bind(s.tenant)
            .bind(s.kind as i32)
            .bind(s.closing.to_db())
            .bind(s.source);
        for r in chunk {
            q = q.bind(&r.key).bind(&r.hash[..]).bind(&r.body[..]);
        }
        affected += q.execute(&mut *c).await?.rows_affected();
    }
    Ok(affected)
}

/// Writes those records whose keys are new, and says how many these were.
pub(crate) async fn insert_new(
    c: &mut SqliteConnection,
    s: Shared,
    rows: &[&Mapped],
) -> Result<u64> {
    insert(c, s, rows, " ON CONFLICT (tenant, kind, key) DO NOTHING").await
}

/// Writes records, new or not.
pub(crate) async fn upsert(c: &mut SqliteConnection, s: Shared, rows: &[&Mapped]) -> Result<()> {
    let conflict = " ON CONFLICT (tenant, kind, key) DO UPDATE SET closing = excluded.closing,
        source = excluded.source, removed = 0, hash = excluded.hash, body = excluded.body";
    insert(c, s, rows, conflict).await.map(drop)
}

/// Removes records: what stays is a row without content, for the feed.
pub(crate) async fn remove(c: &mut SqliteConnection, s: Shared, ids: &[i64]) -> Result<()> {
    let sql = "UPDATE record SET closing = ?, source = ?, removed = 1, hash = x'', body = x''
        WHERE id IN (SELECT value FROM json_each(?))";
    sqlx::query(sql)
        .bind(s.closing.to_db())
        .bind(s.source)
        .bind(json(ids))
        .execute(c)
        .await
        .map(drop)
}

/// The bodies of records.
pub(crate) async fn bodies(c: &mut SqliteConnection, ids: &[i64]) -> Result<Vec<Vec<u8>>> {
    let sql = "SELECT body FROM record WHERE id IN (SELECT value FROM json_each(?))";
    sqlx::query_scalar(sql).bind(json(ids)).fetch_all(c).await
}

/// Ids and keys of live records that `seen` lacks and that no closing up from `closing` changed.
pub(crate) async fn unseen(
    c: &mut SqliteConnection,
    (tenant, kind): (i64, RecordKind),
    closing: Closing,
    seen: &RoaringTreemap,
) -> Result<Vec<String>> {
    let sql =
        "SELECT id, key FROM record WHERE tenant = ? AND kind = ? AND removed = 0 AND closing < ?";
    let mut rows = sqlx::query(sql)
        .bind(tenant)
        .bind(kind as i32)
        .bind(closing.to_db())
        .fetch(c);
    let mut out = Vec::new();
    while let Some(r) = rows.try_next().await? {
        if !seen.contains(row_number(r.try_get(0)?)) {
            out.push(r.try_get(1)?);
        }
    }
    Ok(out)
}

/// SQLite's row numbers are positive.
pub(crate) fn row_number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}
