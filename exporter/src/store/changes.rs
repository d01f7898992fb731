//! What sinks that are sent changes were sent: cursor, states and rejects move in one transaction.

use std::collections::BTreeMap;

use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::db::{AssertSqlSafe, Write, placeholders, query};

use super::Store;
use super::rejects::{self, Reject};
use crate::cursor::Cursor;
use crate::delivery::Delivered;
use crate::error::Error;

/// Rows of one statement: SQLite takes 32,766 values.
const ROWS: usize = 500;

/// A sink and a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(super) sink: String,
    pub(super) tenant: String,
}

impl Place {
    pub(crate) fn new(sink: &str, tenant: TenantId) -> Self {
        Place {
            sink: sink.to_owned(),
            tenant: tenant.to_string(),
        }
    }
}

/// What a sink was sent of a record.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub kind: RecordKind,
    pub key: String,
    pub delivered: Delivered,
}

/// What changes together with a cursor.
#[derive(Default)]
pub(crate) struct Writes {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// The snapshot that the rows are of, or nothing.
    pub seen: Closing,
    /// States that the sink was or is being sent.
    pub put: Vec<Row>,
    /// Records of which the sink has nothing after all.
    pub forget: Vec<(RecordKind, String)>,
    /// Records that the snapshot has and the sink too.
    pub touch: Vec<(RecordKind, String)>,
    /// Records that the sink refused.
    pub reject: Vec<Reject>,
    /// Records whose rejects are of older states.
    pub clear: Vec<(RecordKind, String)>,
    /// A snapshot begins: what it tells makes all rejects old.
    pub begins: bool,
    /// The snapshot is whole: what was removed before it needs no memory, and nobody waits for it any more.
    pub ends: bool,
}

impl Store {
    /// Where a sink stands.
    pub(crate) async fn change_cursor(&self, place: &Place) -> Result<Cursor, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql =
            "SELECT closing, key, as_of, mark FROM change_cursor WHERE sink = ? AND tenant_id = ?";
        let row: Option<(i64, String, i64, i64)> = query(sql)
            .bind(&place.sink)
            .bind(&place.tenant)
            .fetch_optional(&mut read)
            .await
            .map_err(Error::Store)?;
        Ok(
            row.map_or_else(Cursor::default, |(closing, key, as_of, mark)| Cursor {
                closing: Closing::from_db(closing),
                key,
                as_of: Closing::from_db(as_of),
                mark: Closing::from_db(mark),
            }),
        )
    }

    /// What a sink was sent of these records.
    pub(crate) async fn delivered(
        &self,
        place: &Place,
        kind: RecordKind,
        keys: &[&str],
    ) -> Result<BTreeMap<String, Delivered>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT key, closing, digest, sure, remote FROM delivered
            WHERE sink = ? AND tenant_id = ? AND kind = ? AND key IN (??)";
        let rows: Vec<Found> = query(sql)
            .bind(&place.sink)
            .bind(&place.tenant)
            .bind(kind.name())
            .bind(keys)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)?;
        Ok(rows.into_iter().map(found).collect())
    }

    /// Records of a kind that the sink has or may have and the snapshot `seen` hasn't, by key.
    pub(crate) async fn unseen(
        &self,
        place: &Place,
        kind: RecordKind,
        seen: Closing,
        most: u32,
    ) -> Result<Vec<(String, Delivered)>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT key, closing, digest, sure, remote FROM delivered
            WHERE sink = ? AND tenant_id = ? AND kind = ? AND seen <> ? AND (digest IS NOT NULL OR sure = 0)
            ORDER BY key LIMIT ?";
        let rows: Vec<Found> = query(sql)
            .bind(&place.sink)
            .bind(&place.tenant)
            .bind(kind.name())
            .bind(seen.to_db())
            .bind(most)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)?;
        Ok(rows.into_iter().map(found).collect())
    }

    /// How many records of all tenants a sink has in the state that it was sent last.
    pub(crate) async fn held(&self, sink: &str) -> Result<u64, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT COUNT(*) FROM delivered WHERE sink = ? AND digest IS NOT NULL AND sure = 1
            AND NOT EXISTS (SELECT 1 FROM reject r WHERE r.sink = delivered.sink
                AND r.tenant_id = delivered.tenant_id AND r.kind = delivered.kind AND r.key = delivered.key)";
        let rows: Option<u64> = query(sql)
            .bind(sink)
            .fetch_optional(&mut read)
            .await
            .map_err(Error::Store)?;
        Ok(rows.unwrap_or(0))
    }

    /// Moves a cursor from where it stands to where it will, with all that goes with it. False, and nothing happened,
    /// when it doesn't stand there: another exporter moved it.
    pub(crate) async fn advance(
        &self,
        place: &Place,
        from: &Cursor,
        to: &Cursor,
        writes: &Writes,
    ) -> Result<bool, Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let moved = advance(&mut write, place, from, to, writes).await;
        if moved.map_err(Error::Store)? {
            write.commit().await.map_err(Error::Store)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Forgets what was removed before a moment.
    pub(crate) async fn expire(&self, sink: &str, before: u64) -> Result<u64, Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let sql = "DELETE FROM delivered WHERE sink = ? AND at < ? AND digest IS NULL AND sure = 1";
        let expire = query(sql).bind(sink).bind(before);
        let rows = expire.execute(&mut write).await.map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)?;
        Ok(rows)
    }
}

type Found = (String, i64, Option<Vec<u8>>, bool, Option<String>);

fn found((key, closing, digest, sure, remote): Found) -> (String, Delivered) {
    let delivered = Delivered {
        closing: Closing::from_db(closing),
        // One of another length is of another release: it equals none of ours.
        digest: digest.map(|d| d.try_into().unwrap_or_default()),
        sure,
        remote,
    };
    (key, delivered)
}

async fn advance(
    write: &mut Write,
    place: &Place,
    from: &Cursor,
    to: &Cursor,
    writes: &Writes,
) -> Result<bool, runtime::db::Error> {
    let sql = "INSERT INTO change_cursor (sink, tenant_id, closing, key, as_of, mark) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (sink, tenant_id) DO UPDATE SET
            closing = excluded.closing, key = excluded.key, as_of = excluded.as_of, mark = excluded.mark
        WHERE change_cursor.closing = ? AND change_cursor.key = ? AND change_cursor.as_of = ?
            AND change_cursor.mark = ?";
    let moved = query(sql)
        .bind(&place.sink)
        .bind(&place.tenant)
        .bind(to.closing.to_db())
        .bind(&to.key)
        .bind(to.as_of.to_db())
        .bind(to.mark.to_db())
        .bind(from.closing.to_db())
        .bind(&from.key)
        .bind(from.as_of.to_db())
        .bind(from.mark.to_db())
        .execute(write)
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    if writes.begins {
        rejects::clear_all(write, &place.sink, &place.tenant).await?;
    }
    for rows in writes.put.chunks(ROWS) {
        put(write, place, writes, rows).await?;
    }
    let sql = "DELETE FROM delivered WHERE sink = ? AND tenant_id = ? AND kind = ? AND key IN (??)";
    for (kind, keys) in by_kind(&writes.forget) {
        let forget = query(sql).bind(&place.sink).bind(&place.tenant);
        forget.bind(kind).bind(&keys).execute(write).await?;
    }
    let sql = "UPDATE delivered SET seen = ? WHERE sink = ? AND tenant_id = ? AND kind = ? AND key IN (??)";
    for (kind, keys) in by_kind(&writes.touch) {
        let touch = query(sql).bind(writes.seen.to_db());
        let touch = touch.bind(&place.sink).bind(&place.tenant);
        touch.bind(kind).bind(&keys).execute(write).await?;
    }
    for (kind, keys) in by_kind(&writes.clear) {
        rejects::clear(write, &place.sink, &place.tenant, kind, &keys).await?;
    }
    for reject in &writes.reject {
        rejects::put(write, &place.sink, &place.tenant, writes.at, reject).await?;
    }
    if writes.ends {
        let sql = "DELETE FROM delivered WHERE sink = ? AND tenant_id = ? AND digest IS NULL AND sure = 1";
        let forget = query(sql).bind(&place.sink).bind(&place.tenant);
        forget.execute(write).await?;
        let sql = "DELETE FROM resync WHERE sink = ? AND tenant_id = ?";
        let done = query(sql).bind(&place.sink).bind(&place.tenant);
        done.execute(write).await?;
    }
    Ok(true)
}

async fn put(
    write: &mut Write,
    place: &Place,
    writes: &Writes,
    rows: &[Row],
) -> Result<(), runtime::db::Error> {
    let sql = format!(
        "INSERT INTO delivered (sink, tenant_id, kind, key, closing, digest, sure, remote, at, seen) VALUES {}
        ON CONFLICT (sink, tenant_id, kind, key) DO UPDATE SET closing = excluded.closing,
            digest = excluded.digest, sure = excluded.sure, remote = excluded.remote, at = excluded.at,
            seen = excluded.seen",
        placeholders(rows.len(), 10)
    );
    let mut put = query(AssertSqlSafe(sql));
    for row in rows {
        put = put
            .bind(&place.sink)
            .bind(&place.tenant)
            .bind(row.kind.name())
            .bind(&row.key)
            .bind(row.delivered.closing.to_db())
            .bind(row.delivered.digest.map(|d| d.to_vec()))
            .bind(row.delivered.sure)
            .bind(&row.delivered.remote)
            .bind(writes.at)
            .bind(writes.seen.to_db());
    }
    put.execute(write).await.map(drop)
}

fn by_kind(keys: &[(RecordKind, String)]) -> BTreeMap<&'static str, Vec<&str>> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for (kind, key) in keys {
        kinds.entry(kind.name()).or_default().push(key.as_str());
    }
    kinds
}
