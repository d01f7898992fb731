//! Records that sinks refused.

use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::db::{AssertSqlSafe, Error as DbError, Write, query};
use runtime::row;

use super::{Place, Store};
use crate::error::Error;

/// A record that a sink refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub kind: RecordKind,
    pub key: String,
    /// The state that was refused.
    pub closing: Closing,
    /// Why, without the record's content.
    pub reason: String,
}

row! {
    /// A reject as it is listed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct Listed {
        pub sink: String,
        pub tenant_id: String,
        pub kind: String,
        pub key: String,
        pub closing: u64,
        pub reason: String,
        /// When it was refused last, in microseconds since 1970.
        pub at: u64,
        /// How often this state was.
        pub tries: u64,
        /// Whether it is to be sent again.
        pub replay: bool,
    }
}

/// Which rejects; an empty text is any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which {
    pub sink: String,
    pub tenant: String,
    pub kind: String,
    pub key: String,
}

const WHICH: &str = "(? = '' OR sink = ?) AND (? = '' OR tenant_id = ?) AND (? = '' OR kind = ?)
    AND (? = '' OR key = ?)";

macro_rules! which {
    ($query:expr, $which:expr) => {
        $query
            .bind(&$which.sink)
            .bind(&$which.sink)
            .bind(&$which.tenant)
            .bind(&$which.tenant)
            .bind(&$which.kind)
            .bind(&$which.kind)
            .bind(&$which.key)
            .bind(&$which.key)
    };
}

impl Store {
    /// Notes what a sink that is replaced as a whole has not taken of a tenant: these, and nothing else any more.
    pub(crate) async fn refused(
        &self,
        place: &Place,
        at: u64,
        rejects: &[Reject],
    ) -> Result<(), Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let (sink, tenant) = (&place.sink, &place.tenant);
        clear_all(&mut write, sink, tenant)
            .await
            .map_err(Error::Store)?;
        for reject in rejects {
            put(&mut write, sink, tenant, at, reject)
                .await
                .map_err(Error::Store)?;
        }
        write.commit().await.map_err(Error::Store)
    }

    /// Rejects, newest first.
    pub(crate) async fn rejects(&self, which: &Which, most: u32) -> Result<Vec<Listed>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = format!(
            "SELECT sink, tenant_id, kind, key, closing, reason, at, tries, replay FROM reject
            WHERE {WHICH} ORDER BY at DESC, sink, tenant_id, kind, key LIMIT ?"
        );
        which!(query(AssertSqlSafe(sql)), which)
            .bind(most)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)
    }

    /// How many there are of a sink.
    pub(crate) async fn rejected(&self, sink: &str) -> Result<u64, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT COUNT(*) FROM reject WHERE sink = ?";
        let rows: Option<u64> = query(sql)
            .bind(sink)
            .fetch_optional(&mut read)
            .await
            .map_err(Error::Store)?;
        Ok(rows.unwrap_or(0))
    }

    /// Has the current states of rejects sent again. Returns how many.
    pub(crate) async fn replay(&self, which: &Which) -> Result<u64, Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let sql = format!("UPDATE reject SET replay = 1 WHERE {WHICH}");
        let rows = which!(query(AssertSqlSafe(sql)), which)
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)?;
        Ok(rows)
    }

    /// Some of the rejects that are to be sent again, by kind and key.
    pub(crate) async fn replays(
        &self,
        place: &Place,
        most: u32,
    ) -> Result<Vec<(RecordKind, String)>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT kind, key FROM reject WHERE sink = ? AND tenant_id = ? AND replay = 1
            ORDER BY kind, key LIMIT ?";
        let rows: Vec<(String, String)> = query(sql)
            .bind(&place.sink)
            .bind(&place.tenant)
            .bind(most)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)?;
        let known = |(kind, key): (String, String)| Some((RecordKind::from_name(&kind)?, key));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// The tenants of a sink of which rejects are to be sent again.
    pub(crate) async fn replaying(&self, sink: &str) -> Result<Vec<TenantId>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT DISTINCT tenant_id FROM reject WHERE sink = ? AND replay = 1";
        let tenants: Vec<String> = query(sql)
            .bind(sink)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)?;
        let tenants = tenants.iter().map(|t| t.parse().map_err(Error::Id));
        tenants.collect()
    }
}

pub(super) async fn put(
    write: &mut Write,
    sink: &str,
    tenant: &str,
    at: u64,
    reject: &Reject,
) -> Result<(), DbError> {
    let sql = "INSERT INTO reject (sink, tenant_id, kind, key, closing, reason, at, tries, replay)
        VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0)
        ON CONFLICT (sink, tenant_id, kind, key) DO UPDATE SET closing = excluded.closing, reason = excluded.reason,
            at = excluded.at, replay = 0,
            tries = CASE WHEN reject.closing = excluded.closing THEN reject.tries + 1 ELSE 1 END";
    query(sql)
        .bind(sink)
        .bind(tenant)
        .bind(reject.kind.name())
        .bind(&reject.key)
        .bind(reject.closing.to_db())
        .bind(&reject.reason)
        .bind(at)
        .execute(write)
        .await
        .map(drop)
}

pub(super) async fn clear(
    write: &mut Write,
    sink: &str,
    tenant: &str,
    kind: &str,
    keys: &[&str],
) -> Result<(), DbError> {
    let sql = "DELETE FROM reject WHERE sink = ? AND tenant_id = ? AND kind = ? AND key IN (??)";
    let clear = query(sql).bind(sink).bind(tenant).bind(kind).bind(keys);
    clear.execute(write).await.map(drop)
}

pub(super) async fn clear_all(write: &mut Write, sink: &str, tenant: &str) -> Result<(), DbError> {
    let sql = "DELETE FROM reject WHERE sink = ? AND tenant_id = ?";
    let clear = query(sql).bind(sink).bind(tenant);
    clear.execute(write).await.map(drop)
}
