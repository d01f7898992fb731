//! The statements that carry the load, for many rows at a time. What is fast differs for inserting only.

mod postgres;
mod sqlite;

use proto::ids::Closing;
use proto::kind::RecordKind;
use roaring::RoaringTreemap;
use runtime::db::{Connection, Error, query};
use runtime::row;

use crate::map::Mapped;

/// What all rows of a statement share.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    pub tenant: i64,
    pub kind: RecordKind,
    pub closing: Closing,
    /// The page that they come from; none for derived records.
    pub source: Option<i64>,
}

row! {
    /// A record as far as a comparison needs it.
    pub(crate) struct Existing {
        pub id: i64,
        pub key: String,
        pub hash: Vec<u8>,
        pub closing: i64,
        pub removed: bool,
        pub source: Option<i64>,
    }
}

/// Prepares a transaction that writes much.
pub(crate) async fn widen(c: &mut Connection) -> Result<(), Error> {
    match c.is_postgres() {
        true => Ok(()),
        false => sqlite::widen(c).await,
    }
}

/// Records with one of these keys.
pub(crate) async fn existing(
    c: &mut Connection,
    (tenant, kind): (i64, RecordKind),
    keys: &[&str],
) -> Result<Vec<Existing>, Error> {
    let q = match c.is_postgres() {
        true => postgres::existing((tenant, kind), keys),
        false => sqlite::existing((tenant, kind), keys),
    };
    let mut out = Vec::with_capacity(keys.len());
    q.each(c, |row| out.push(row)).await?;
    Ok(out)
}

const NEW: &str = " ON CONFLICT (tenant, kind, key) DO NOTHING";
const ANY: &str = " ON CONFLICT (tenant, kind, key) DO UPDATE SET closing = excluded.closing,
    source = excluded.source, removed = 0, hash = excluded.hash, body = excluded.body";
const GONE: &str = " ON CONFLICT (tenant, kind, key) DO UPDATE SET closing = excluded.closing,
    source = excluded.source, removed = 1, hash = excluded.hash, body = excluded.body";

async fn insert(
    c: &mut Connection,
    s: Shared,
    rows: &[&Mapped],
    conflict: &str,
) -> Result<u64, Error> {
    match c.is_postgres() {
        true => postgres::insert(c, s, rows, conflict).await,
        false => sqlite::insert(c, s, rows, conflict).await,
    }
}

/// Writes those records whose keys are new, and says how many these were.
pub(crate) async fn insert_new(
    c: &mut Connection,
    s: Shared,
    rows: &[&Mapped],
) -> Result<u64, Error> {
    insert(c, s, rows, NEW).await
}

/// Writes records, new or not.
pub(crate) async fn upsert(c: &mut Connection, s: Shared, rows: &[&Mapped]) -> Result<(), Error> {
    insert(c, s, rows, ANY).await.map(drop)
}

/// Removes records: what stays is a row without content, for the feed.
pub(crate) async fn remove(c: &mut Connection, s: Shared, keys: &[&str]) -> Result<(), Error> {
    let gone = |key: &&str| Mapped {
        key: (*key).to_owned(),
        ..Mapped::default()
    };
    let gone: Vec<Mapped> = keys.iter().map(gone).collect();
    let rows: Vec<&Mapped> = gone.iter().collect();
    insert(c, s, &rows, GONE).await.map(drop)
}

/// The bodies of records.
pub(crate) async fn bodies(
    c: &mut Connection,
    tenant: i64,
    ids: &[i64],
) -> Result<Vec<Vec<u8>>, Error> {
    let q = match c.is_postgres() {
        true => postgres::bodies(tenant, ids),
        false => sqlite::bodies(tenant, ids),
    };
    q.fetch_all(c).await
}

/// Copies the present state of records, which the run of `s` is about to replace, to the former ones; not what it has
/// written itself.
pub(crate) async fn keep(c: &mut Connection, s: &Shared, ids: &[i64]) -> Result<(), Error> {
    let q = match c.is_postgres() {
        true => postgres::keep(s, ids),
        false => sqlite::keep(s, ids),
    };
    q.execute(c).await.map(drop)
}

/// Keys of live records that `seen` lacks and that no closing up from `closing` changed.
pub(crate) async fn unseen(
    c: &mut Connection,
    (tenant, kind): (i64, RecordKind),
    closing: Closing,
    seen: &RoaringTreemap,
) -> Result<Vec<String>, Error> {
    let sql =
        "SELECT id, key FROM record WHERE tenant = ? AND kind = ? AND removed = 0 AND closing < ?";
    let q = query(sql).bind(tenant).bind(kind as i32);
    let mut out = Vec::new();
    q.bind(closing.to_db())
        .each(c, |(id, key): (i64, String)| {
            if !seen.contains(row_number(id)) {
                out.push(key);
            }
        })
        .await?;
    Ok(out)
}

/// Row numbers are positive.
pub(crate) fn row_number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}
