//! A SQLite file for people's own queries: every record as JSON, and a view with named columns for each kind.
//!
//! Mapping: table `record`, table `child` for the rows that live inside a record, views by [`views`]. Idempotency: the
//! cursor is stored in the transaction of the rows, so each change takes effect exactly once.

mod rows;
mod views;

use std::path::PathBuf;

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use runtime::db::{self, Connection, Db, Durability, Migrations, Options, Write, query};
use tokio::sync::OnceCell;

use super::{RowSink, Snapshot};
use crate::cursor::{Cursor, Taking, take};
use crate::error::Error;

const MIGRATIONS: Migrations = Migrations {
    sqlite: &[(1, include_str!("schema.sql"))],
    postgres: &[],
};

/// See the [module](self).
pub(crate) struct Sqlite {
    path: PathBuf,
    brake: bool,
    db: OnceCell<Db>,
}

impl Sqlite {
    /// A sink that writes to this file. It is opened when there is something to write; for `brake` see [`Options`].
    pub(crate) fn new(path: PathBuf, brake: bool) -> Self {
        Sqlite {
            path,
            brake,
            db: OnceCell::new(),
        }
    }

    async fn db(&self) -> Result<&Db, Error> {
        self.db.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Db, Error> {
        if let Some(parent) = self.path.parent().filter(|p| !p.as_os_str().is_empty()) {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(parent).map_err(|source| Error::File {
                path: parent.to_owned(),
                source,
            })?;
        }
        let options = Options {
            path: self.path.clone(),
            durability: Durability::Full,
            brake: self.brake,
        };
        let opened = Db::open(&options, &MIGRATIONS).await;
        let db = opened.map_err(|e| Error::Open {
            path: self.path.clone(),
            source: Box::new(e),
        })?;
        let mut write = db.write().await.map_err(|e| self.failed(e))?;
        views::create(&mut write)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(db)
    }

    /// A transaction, if the sink stands at `from`.
    async fn at(&self, tenant: TenantId, from: &Cursor) -> Result<Option<Write>, Error> {
        let mut write = self.db().await?.write().await.map_err(|e| self.failed(e))?;
        let now = read(&mut write, tenant).await.map_err(|e| self.failed(e))?;
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
            path: self.path.clone(),
            source,
        }
    }
}

#[async_trait]
impl RowSink for Sqlite {
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
        Ok(Some(count))
    }
}

async fn read(connection: &mut Connection, tenant: TenantId) -> Result<Cursor, db::Error> {
    let row: Option<(i64, String, i64, i64)> =
        query("SELECT closing, key, as_of, mark FROM cursor WHERE tenant_id = ?")
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
