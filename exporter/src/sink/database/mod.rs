//! A database for people's own queries: every record as JSON, and a view with named columns for each kind. It is a SQLite
//! file, or a PostgreSQL database to which several exporters deliver.
//!
//! Mapping: table `record`, table `child` for the rows that live inside a record, views by [`views`]. Idempotency: the
//! cursor is stored in the transaction of the rows, which locks it first, so each change takes effect exactly once.
//! Where a connection breaks during the commit, the next look at the cursor tells what became of it.

mod open;
mod rows;
mod settings;
#[cfg(all(test, feature = "postgres"))]
mod tests;
mod views;

use std::path::PathBuf;

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use runtime::db::{self, Connection, Db, Write, query};
use runtime::error::Chain;
use tokio::sync::OnceCell;

use super::{RowSink, Snapshot};
use crate::cursor::{Cursor, Taking, take};
use crate::error::Error;
use open::Target;

pub use settings::{Postgres, Sqlite};

/// See the [module](self).
pub(crate) struct Database {
    target: Target,
    /// How messages call it.
    place: String,
    db: OnceCell<Db>,
}

impl Database {
    /// A SQLite file. It is opened when there is something to write; for `brake` see [`Options`](db::Options).
    pub(crate) fn file(path: PathBuf, brake: bool) -> Self {
        Database {
            place: path.display().to_string(),
            target: Target::File { path, brake },
            db: OnceCell::new(),
        }
    }

    /// A PostgreSQL database, opened when there is something to write.
    #[cfg(feature = "postgres")]
    pub(crate) fn server(config: db::Config, place: String) -> Self {
        Database {
            place,
            target: Target::Server(Box::new(config)),
            db: OnceCell::new(),
        }
    }

    async fn db(&self) -> Result<&Db, Error> {
        let open = || open::open(&self.target, &self.place);
        self.db.get_or_try_init(open).await
    }

    /// A transaction that keeps the tenant's cursor to itself, if the sink stands at `from`.
    async fn at(&self, tenant: TenantId, from: &Cursor) -> Result<Option<Write>, Error> {
        let mut write = self.db().await?.write().await.map_err(|e| self.failed(e))?;
        let now = lock(&mut write, tenant).await.map_err(|e| self.failed(e))?;
        Ok((take(&now, from) == Taking::Take).then_some(write))
    }

    async fn commit(&self, tenant: TenantId, to: &Cursor, mut write: Write) -> Result<(), Error> {
        store(&mut write, tenant, to)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))
    }

    fn failed(&self, source: db::Error) -> Error {
        Error::Database {
            place: self.place.clone(),
            source,
        }
    }
}

#[async_trait]
impl RowSink for Database {
    async fn cursor(&self, tenant: TenantId) -> Result<Cursor, Error> {
        let mut connection = self.db().await?.read().await.map_err(|e| self.failed(e))?;
        read(&mut connection, tenant)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn mark(&self, tenant: TenantId, from: &Cursor, marked: &Cursor) -> Result<bool, Error> {
        let Some(write) = self.at(tenant, from).await? else {
            return Ok(false);
        };
        self.commit(tenant, marked, write).await?;
        Ok(true)
    }

    async fn apply(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        records: &[Record],
    ) -> Result<bool, Error> {
        let rows = rows::Rows::read(tenant, records)?;
        let Some(mut write) = self.at(tenant, from).await? else {
            return Ok(false);
        };
        rows.write(&mut write).await.map_err(|e| self.failed(e))?;
        self.commit(tenant, to, write).await?;
        Ok(true)
    }

    async fn replace(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        mut snapshot: Snapshot,
    ) -> Result<Option<u64>, Error> {
        let Some(mut write) = self.at(tenant, from).await? else {
            return Ok(None);
        };
        rows::clear(&mut write, tenant)
            .await
            .map_err(|e| self.failed(e))?;
        let mut count = 0;
        while let Some(records) = snapshot.next().await? {
            rows::Rows::read(tenant, &records)?
                .write(&mut write)
                .await
                .map_err(|e| self.failed(e))?;
            count += records.len() as u64;
        }
        if !snapshot.end().is_some_and(|e| e.complete) {
            return Ok(None); // The transaction is dropped and leaves no trace.
        }
        self.commit(tenant, to, write).await?;
        // A ledger that sends everything anew may have erased somebody: nothing of what stood here is to stay behind.
        if let Err(e) = self.db().await?.scrub().await {
            tracing::warn!(place = self.place, error = %Chain(&e), "the file may hold remnants of what was removed");
        }
        Ok(Some(count))
    }
}

async fn read(connection: &mut Connection, tenant: TenantId) -> Result<Cursor, db::Error> {
    let sql = "SELECT closing, key, as_of, mark FROM cursor WHERE tenant_id = ?";
    found(sql, connection, tenant).await
}

/// Reads the cursor and lets nobody else move it until the transaction ends. A row that isn't there can't be locked, so
/// it is made.
async fn lock(connection: &mut Connection, tenant: TenantId) -> Result<Cursor, db::Error> {
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
) -> Result<Cursor, db::Error> {
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
) -> Result<(), db::Error> {
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
