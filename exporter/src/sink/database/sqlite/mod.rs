//! A SQLite file for people's own queries: every record as JSON, and a view with named columns for each kind.
//!
//! Mapping: table `record`, table `child` for the rows that live inside a record, views by [`views`]. Idempotency: the
//! cursor stands beside the rows, see [`cursor`].

mod rows;
mod settings;
mod views;

use std::path::PathBuf;

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use runtime::db::{self, Db, Durability, Migrations, Options};
use runtime::error::Chain;
use tokio::sync::OnceCell;

use super::cursor;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::sink::files::disk;
use crate::sink::{RowSink, Snapshot};

pub use settings::Sqlite;

const MIGRATIONS: Migrations = Migrations {
    sqlite: &[(1, include_str!("schema.sql"))],
    postgres: &[],
    additions: &[],
};

/// See the [module](self).
struct Database {
    options: Options,
    /// How messages call it.
    place: String,
    db: OnceCell<Db>,
}

impl Database {
    /// It is opened when there is something to write; for `brake` see [`Options`].
    fn new(path: PathBuf, brake: bool) -> Self {
        Database {
            place: path.display().to_string(),
            options: Options {
                path,
                durability: Durability::Full,
                brake,
            },
            db: OnceCell::new(),
        }
    }

    async fn db(&self) -> Result<&Db, Error> {
        self.db.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Db, Error> {
        if let Some(parent) = self
            .options
            .path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
        {
            disk::create_dir(parent)?;
        }
        let db = Db::open(&self.options, &MIGRATIONS).await;
        let db = db.map_err(|e| Error::Open {
            place: self.place.clone(),
            source: Box::new(e),
        })?;
        views::create(&db).await.map_err(|e| self.failed(e))?;
        Ok(db)
    }

    fn failed(&self, source: db::Error) -> Error {
        Error::database(&self.place, source)
    }
}

#[async_trait]
impl RowSink for Database {
    async fn cursor(&self, tenant: TenantId) -> Result<Cursor, Error> {
        let cursor = cursor::read(self.db().await?, tenant).await;
        cursor.map_err(|e| self.failed(e))
    }

    async fn mark(&self, tenant: TenantId, from: &Cursor, marked: &Cursor) -> Result<bool, Error> {
        let done = cursor::mark(self.db().await?, tenant, from, marked).await;
        done.map_err(|e| self.failed(e))
    }

    async fn apply(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        records: &[Record],
    ) -> Result<bool, Error> {
        let rows = rows::Rows::read(tenant, records)?;
        let db = self.db().await?;
        let taken = async {
            let Some(mut write) = cursor::at(db, tenant, from).await? else {
                return Ok(false);
            };
            rows.write(&mut write).await?;
            cursor::commit(tenant, to, write).await?;
            Ok(true)
        };
        taken.await.map_err(|e| self.failed(e))
    }

    async fn replace(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        mut snapshot: Snapshot,
    ) -> Result<Option<u64>, Error> {
        let db = self.db().await?;
        let write = cursor::at(db, tenant, from).await;
        let Some(mut write) = write.map_err(|e| self.failed(e))? else {
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
        cursor::commit(tenant, to, write)
            .await
            .map_err(|e| self.failed(e))?;
        // A ledger that sends everything anew may have erased somebody: nothing of what stood here is to stay behind.
        if let Err(e) = db.scrub().await {
            tracing::warn!(place = self.place, error = %Chain(&e), "the file may hold remnants of what was removed");
        }
        Ok(Some(count))
    }
}
