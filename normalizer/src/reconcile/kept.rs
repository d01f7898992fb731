//! What is kept so that a residual can be explained later: changes of Microsoft's count, and which residuals there are.

use std::collections::BTreeMap;

use runtime::db::{Connection, query};

use crate::error::Error;

const READ: &str = "read what residuals follow from";
const STORE: &str = "store what residuals follow from";

/// Until products were read at this time, Microsoft counted so many units.
pub(crate) async fn count_changed(
    c: &mut Connection,
    (tenant, sku): (i64, &str),
    at: i64,
    units: i32,
) -> Result<(), Error> {
    let sql = "INSERT INTO consumed_change (tenant, sku, at, units) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let q = query(sql).bind(tenant).bind(sku).bind(at).bind(units);
    q.execute(c).await.map(drop).map_err(Error::db(STORE))
}

/// What Microsoft counted when products had been read at this time; `now` where that hasn't changed since.
pub(crate) async fn counted_at(
    c: &mut Connection,
    (tenant, sku): (i64, &str),
    at: i64,
    now: i64,
) -> Result<i64, Error> {
    let sql = "SELECT units FROM consumed_change WHERE tenant = ? AND sku = ? AND at > ? ORDER BY at LIMIT 1";
    let q = query(sql).bind(tenant).bind(sku).bind(at);
    let units: Option<i64> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
    Ok(units.unwrap_or(now))
}

/// The products that have a residual, and whether the limit lets it pass.
pub(crate) async fn residuals(
    c: &mut Connection,
    tenant: i64,
) -> Result<BTreeMap<String, bool>, Error> {
    let sql = "SELECT sku, reconciled FROM residual WHERE tenant = ?";
    let rows: Vec<(String, bool)> = query(sql)
        .bind(tenant)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    Ok(rows.into_iter().collect())
}

/// Notes that a product has a residual, or none.
pub(crate) async fn note(
    c: &mut Connection,
    (tenant, sku): (i64, &str),
    reconciled: Option<bool>,
) -> Result<(), Error> {
    let q = match reconciled {
        Some(reconciled) => query(
            "INSERT INTO residual (tenant, sku, reconciled) VALUES (?, ?, ?)
            ON CONFLICT (tenant, sku) DO UPDATE SET reconciled = excluded.reconciled",
        )
        .bind(tenant)
        .bind(sku)
        .bind(reconciled),
        None => query("DELETE FROM residual WHERE tenant = ? AND sku = ?")
            .bind(tenant)
            .bind(sku),
    };
    q.execute(c).await.map(drop).map_err(Error::db(STORE))
}

/// Positions of all tenants that are not reconciled.
pub(crate) async fn unreconciled(c: &mut Connection) -> Result<u64, Error> {
    let sql = "SELECT count(*) FROM residual WHERE reconciled = 0";
    let n: i64 = query(sql).fetch_one(c).await.map_err(Error::db(READ))?;
    Ok(u64::try_from(n).unwrap_or(0))
}
