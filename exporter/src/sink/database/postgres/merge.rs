//! How a batch gets into the tables: what is new is copied straight in, what is there already is copied beside and
//! merged.
//!
//! Rows are looked up one by one, each by the primary key: for `key = ANY (…)` the planner may read a tenant's whole
//! range instead, as it does where the statistics know of no rows yet.

use runtime::db::{AssertSqlSafe, Connection, Error, copy, query, script};

use super::batch::{Batch, Rows};
use super::tables::{Table, quoted};

/// Writes a batch. `empty` tells that nothing of the tenant stands there.
pub(super) async fn write(
    c: &mut Connection,
    tables: &[Table],
    tenant: &str,
    batch: &Batch,
    empty: bool,
) -> Result<(), Error> {
    for table in tables {
        let gone = batch.gone(table);
        let rows = batch.rows.get(table.kind);
        let keys = gone
            .iter()
            .chain(rows.into_iter().flat_map(|rows| &rows.keys));
        let new = empty || !any_between(c, table, tenant, keys).await?;
        if !new {
            remove(c, table, tenant, gone).await?;
        }
        let Some(rows) = rows else {
            continue;
        };
        // Those that live inside a record were removed with it just now.
        if new || table.is_inside() || !any(c, table, tenant, &rows.keys).await? {
            let sql = format!("COPY {} ({}) FROM STDIN", table.name(), table.list());
            copy(AssertSqlSafe(sql), &rows.lines, c).await?;
        } else {
            merge(c, table, rows).await?;
        }
    }
    Ok(())
}

/// Removes everything of a tenant.
pub(super) async fn clear(c: &mut Connection, tables: &[Table], tenant: &str) -> Result<(), Error> {
    for table in tables {
        let sql = format!("DELETE FROM {} WHERE tenant_id = ?", table.name());
        query(AssertSqlSafe(sql)).bind(tenant).execute(c).await?;
    }
    Ok(())
}

/// Whether a record stands there whose key is between the first and the last of these: a single look, which is all that
/// a first export takes. Keys are in the order of their bytes there too.
async fn any_between(
    c: &mut Connection,
    table: &Table,
    tenant: &str,
    keys: impl Iterator<Item = &String> + Clone,
) -> Result<bool, Error> {
    let (Some(first), Some(last)) = (keys.clone().min(), keys.max()) else {
        return Ok(false);
    };
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM {} WHERE tenant_id = ? AND key >= ? AND key <= ?
        ORDER BY tenant_id, key LIMIT 1) AS first",
        table.name()
    );
    let sql = query(AssertSqlSafe(sql));
    let found: i64 = sql.bind(tenant).bind(first).bind(last).fetch_one(c).await?;
    Ok(found > 0)
}

/// Whether a record with one of these keys stands there.
async fn any(
    c: &mut Connection,
    table: &Table,
    tenant: &str,
    keys: &[String],
) -> Result<bool, Error> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM unnest(?::text[]) AS each (key) CROSS JOIN LATERAL
        (SELECT FROM {} WHERE tenant_id = ? AND key = each.key LIMIT 1) AS found LIMIT 1) AS first",
        table.name()
    );
    let found: i64 = query(AssertSqlSafe(sql))
        .bind(keys)
        .bind(tenant)
        .fetch_one(c)
        .await?;
    Ok(found > 0)
}

async fn remove(
    c: &mut Connection,
    table: &Table,
    tenant: &str,
    keys: &[String],
) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    // OFFSET 0 keeps the planner from turning it into a join.
    let sql = format!(
        "DELETE FROM {0} WHERE ctid = ANY (ARRAY (SELECT found.ctid FROM unnest(?::text[]) AS each (key)
        CROSS JOIN LATERAL (SELECT ctid FROM {0} WHERE tenant_id = ? AND key = each.key OFFSET 0) AS found))",
        table.name()
    );
    let delete = query(AssertSqlSafe(sql)).bind(keys).bind(tenant);
    delete.execute(c).await.map(drop)
}

/// Copies rows into a table that ends with the transaction, and takes them over from there.
async fn merge(c: &mut Connection, table: &Table, rows: &Rows) -> Result<(), Error> {
    let (name, list, key) = (table.name(), table.list(), table.key().join(", "));
    let staged = format!("pg_temp.{}", quoted(&format!("staged_{}", table.kind)));
    let make = format!(
        "CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {list} FROM {name} WITH NO DATA"
    );
    script(AssertSqlSafe(make), c).await?;
    let sql = format!("COPY {staged} ({list}) FROM STDIN");
    copy(AssertSqlSafe(sql), &rows.lines, c).await?;
    let columns = table.columns.iter().map(|field| quoted(&field.name));
    let set = columns.chain([quoted("closing")]);
    let set: Vec<_> = set.map(|c| format!("{c} = excluded.{c}")).collect();
    let sql = format!(
        "INSERT INTO {name} ({list}) SELECT {list} FROM {staged}
        ON CONFLICT ({key}) DO UPDATE SET {}",
        set.join(", ")
    );
    script(AssertSqlSafe(sql), c).await
}
