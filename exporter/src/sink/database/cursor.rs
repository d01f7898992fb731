//! The cursor of a sink, in the sink's own database: one text for SQLite and PostgreSQL.
//!
//! It is stored in the transaction of the rows, which locks it first, so each change takes effect exactly once. Where a
//! connection breaks during the commit, the next look at the cursor tells what became of it.

use proto::ids::{Closing, TenantId};
use runtime::db::{Connection, Db, Error, Write, query};

use crate::cursor::{Cursor, Taking, take};

/// Where the sink stands.
pub(super) async fn read(db: &Db, tenant: TenantId) -> Result<Cursor, Error> {
    let sql = "SELECT closing, key, as_of, mark FROM cursor WHERE tenant_id = ?";
    found(sql, &mut *db.read().await?, tenant).await
}

/// A transaction that keeps the tenant's cursor to itself, if the sink stands at `from`.
pub(super) async fn at(db: &Db, tenant: TenantId, from: &Cursor) -> Result<Option<Write>, Error> {
    let mut write = db.write().await?;
    let now = lock(&mut write, tenant).await?;
    Ok((take(&now, from) == Taking::Take).then_some(write))
}

/// Stores the cursor and ends its transaction.
pub(super) async fn commit(tenant: TenantId, to: &Cursor, mut write: Write) -> Result<(), Error> {
    store(&mut write, tenant, to).await?;
    write.commit().await
}

/// Stores the mark, in a transaction of its own. False when the sink doesn't stand at `from`.
pub(super) async fn mark(
    db: &Db,
    tenant: TenantId,
    from: &Cursor,
    marked: &Cursor,
) -> Result<bool, Error> {
    let Some(write) = at(db, tenant, from).await? else {
        return Ok(false);
    };
    commit(tenant, marked, write).await?;
    Ok(true)
}

/// Reads the cursor and lets nobody else move it until the transaction ends. A row that isn't there can't be locked, so
/// it is made.
async fn lock(connection: &mut Connection, tenant: TenantId) -> Result<Cursor, Error> {
    let new = Cursor::default();
    query("INSERT INTO cursor (tenant_id, closing, key, as_of, mark) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(tenant.to_string())
        .bind(new.closing.to_db())
        .bind(&new.key)
        .bind(new.as_of.to_db())
        .bind(new.mark.to_db())
        .execute(connection)
        .await?;
    let sql = "SELECT closing, key, as_of, mark FROM cursor WHERE tenant_id = ? FOR UPDATE";
    found(sql, connection, tenant).await
}

async fn found(
    sql: &'static str,
    connection: &mut Connection,
    tenant: TenantId,
) -> Result<Cursor, Error> {
    let row: Option<(i64, String, i64, i64)> = query(sql)
        .bind(tenant.to_string())
        .fetch_optional(connection)
        .await?;
    let cursor = row.map(|(closing, key, as_of, mark)| Cursor {
        closing: Closing::from_db(closing),
        key,
        as_of: Closing::from_db(as_of),
        mark: Closing::from_db(mark),
    });
    Ok(cursor.unwrap_or_default())
}

async fn store(
    connection: &mut Connection,
    tenant: TenantId,
    cursor: &Cursor,
) -> Result<(), Error> {
    query(
        "INSERT INTO cursor (tenant_id, closing, key, as_of, mark) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (tenant_id) DO UPDATE
         SET closing = excluded.closing, key = excluded.key, as_of = excluded.as_of, mark = excluded.mark",
    )
    .bind(tenant.to_string())
    .bind(cursor.closing.to_db())
    .bind(&cursor.key)
    .bind(cursor.as_of.to_db())
    .bind(cursor.mark.to_db())
    .execute(connection)
    .await
    .map(drop)
}
