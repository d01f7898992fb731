//! The sink: what the delivery asks of it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use runtime::db::{self, Config, Db, Write};
use tokio::sync::{Mutex, OnceCell};

use super::batch::Batch;
use super::shape::{self, Fault};
use super::tables::{Table, tables};
use super::{merge, open};
use crate::config::Selection;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::sink::database::cursor;
use crate::sink::{RowSink, Snapshot};

/// See the [module](super).
pub(super) struct Database {
    config: Config,
    /// How messages call it.
    place: String,
    tables: Vec<Table>,
    db: OnceCell<Db>,
    /// The tables are as they should be, as far as is known.
    shaped: AtomicBool,
    /// Held by the task that looks whether they are.
    shaping: Mutex<()>,
}

impl Database {
    /// It is opened when there is something to write.
    pub fn new(config: Config, place: String, shows: &Selection) -> Self {
        Database {
            config,
            place,
            tables: tables(shows),
            db: OnceCell::new(),
            shaped: AtomicBool::new(false),
            shaping: Mutex::default(),
        }
    }

    /// The database, with its tables as they should be.
    pub(super) async fn db(&self) -> Result<&Db, Error> {
        let open = || open::open(&self.config, &self.place);
        let db = self.db.get_or_try_init(open).await?;
        if !self.shaped.load(Ordering::Acquire) {
            let _alone = self.shaping.lock().await;
            if self.shaped.load(Ordering::Acquire) {
                return Ok(db);
            }
            let shaped = shape::bring(db, &self.tables).await;
            shaped.map_err(|fault| self.unfit(fault))?;
            self.shaped.store(true, Ordering::Release);
        }
        Ok(db)
    }

    /// What the database refuses. Where that may be because somebody changed a table, the next look compares them all
    /// and says which.
    fn failed(&self, source: db::Error) -> Error {
        let altered = ["42", "22", "0A"];
        let code = source.as_database_error().and_then(|d| d.code());
        if code.is_some_and(|code| altered.iter().any(|class| code.starts_with(class))) {
            self.shaped.store(false, Ordering::Release);
        }
        Error::database(&self.place, source)
    }

    fn unfit(&self, fault: Fault) -> Error {
        let place = self.place.clone();
        match fault {
            Fault::Database(source) => self.failed(source),
            Fault::Altered(what) => Error::Altered { place, what },
            Fault::Encoding(encoding) => Error::Encoding { place, encoding },
        }
    }

    async fn write(
        &self,
        write: &mut Write,
        tenant: TenantId,
        records: &[Record],
        empty: bool,
    ) -> Result<(), Error> {
        let batch = Batch::read(&self.tables, tenant, records)?;
        let written = merge::write(write, &self.tables, &tenant.to_string(), &batch, empty).await;
        written.map_err(|e| self.failed(e))?;
        for ((kind, column), count) in batch.odd {
            tracing::warn!(
                place = self.place,
                kind,
                column,
                count,
                "moments that PostgreSQL can't hold are left empty"
            );
        }
        Ok(())
    }
}

#[async_trait]
impl RowSink for Database {
    fn at_once(&self) -> usize {
        // Each uses one connection at a time.
        self.config.connections as usize
    }

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
        let write = cursor::at(self.db().await?, tenant, from).await;
        let Some(mut write) = write.map_err(|e| self.failed(e))? else {
            return Ok(false);
        };
        self.write(&mut write, tenant, records, false).await?;
        let done = cursor::commit(tenant, to, write).await;
        done.map_err(|e| self.failed(e))?;
        Ok(true)
    }

    async fn replace(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        mut snapshot: Snapshot,
    ) -> Result<Option<u64>, Error> {
        let write = cursor::at(self.db().await?, tenant, from).await;
        let Some(mut write) = write.map_err(|e| self.failed(e))? else {
            return Ok(None);
        };
        let cleared = merge::clear(&mut write, &self.tables, &tenant.to_string()).await;
        cleared.map_err(|e| self.failed(e))?;
        let mut count = 0;
        while let Some(records) = snapshot.next().await? {
            self.write(&mut write, tenant, &records, true).await?;
            count += records.len() as u64;
        }
        if !snapshot.end().is_some_and(|e| e.complete) {
            return Ok(None); // The transaction is dropped and leaves no trace.
        }
        let done = cursor::commit(tenant, to, write).await;
        done.map_err(|e| self.failed(e))?;
        Ok(Some(count))
    }
}
