//! For PostgreSQL: arrays as parameters, so that one prepared statement serves any number of rows. Rows are looked up one
//! by one, each by all columns of an index. For `key = ANY (…)` the planner may read the whole range of the other columns
//! instead, as it does where the table was empty when the statement was prepared: then each page of a first load costs
//! as much as all before it.

use proto::kind::RecordKind;
use runtime::db::{AssertSqlSafe, Connection, Error, Query, Value, query};

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

const EXISTING: &str = "SELECT found.* FROM unnest(?::text[]) AS each (key) CROSS JOIN LATERAL
    (SELECT id, key, hash, closing, removed, source FROM record
    WHERE tenant = ? AND kind = ? AND key = each.key LIMIT 1) AS found";

pub(super) fn existing<'q>((tenant, kind): (i64, RecordKind), keys: &'q [&'q str]) -> Query<'q> {
    query(EXISTING).bind(keys).bind(tenant).bind(kind as i32)
}

const BODIES: &str = "SELECT found.body FROM unnest(?::bigint[]) AS each (id) CROSS JOIN LATERAL
    (SELECT body FROM record WHERE tenant = ? AND id = each.id LIMIT 1) AS found";

pub(super) fn bodies(tenant: i64, ids: &[i64]) -> Query<'_> {
    query(BODIES).bind(ids).bind(tenant)
}

const KEEP: &str = "INSERT INTO record_history (tenant, replaced, kind, key, closing, source, removed, body)
    SELECT ?, ?, now.kind, now.key, now.closing, now.source, now.removed, now.body
    FROM unnest(?::bigint[]) AS each (id) CROSS JOIN LATERAL
    (SELECT kind, key, closing, source, removed, body FROM record WHERE tenant = ? AND id = each.id LIMIT 1) AS now
    WHERE now.closing < ?";

pub(super) fn keep<'q>(s: &Shared, ids: &'q [i64]) -> Query<'q> {
    let closing = s.closing.to_db();
    let q = query(KEEP).bind(s.tenant).bind(closing).bind(ids);
    q.bind(s.tenant).bind(closing)
}
