//! The exporter's own database: where sinks stand that can't keep it themselves, and what they were sent.

mod changes;
mod rejects;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::{Closing, TenantId};
use runtime::db::{Db, Migrations, query};

use crate::config::SinkConfig;
use crate::cursor::{self, Cursor};
use crate::error::Error;

pub(crate) use changes::{Place, Row, Writes};
pub(crate) use rejects::{Listed, Reject, Which};

/// The format of the exporter's database, for [`Db::open`].
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        (1, include_str!("../migrations/sqlite/1_cursors.sql")),
        (2, include_str!("../migrations/sqlite/2_changes.sql")),
        (3, include_str!("../migrations/sqlite/3_external_ids.sql")),
        (4, include_str!("../migrations/sqlite/4_sink_state.sql")),
    ],
    postgres: &[
        (1, include_str!("../migrations/postgres/1_cursors.sql")),
        (2, include_str!("../migrations/postgres/2_leases.sql")),
        (3, include_str!("../migrations/postgres/3_changes.sql")),
        (4, include_str!("../migrations/postgres/4_external_ids.sql")),
        (5, include_str!("../migrations/postgres/5_sink_state.sql")),
    ],
    additions: &[],
};

/// The exporter's database.
#[derive(Clone)]
pub(crate) struct Store(Db);

impl Store {
    pub(crate) fn new(db: Db) -> Self {
        Store(db)
    }

    /// Remembers what a sink is. One that moved to another place is a new sink: it stands nowhere.
    pub(crate) async fn identify(&self, sink: &SinkConfig) -> Result<(), Error> {
        let location = sink.location();
        let known: Option<(String, String)> = {
            let mut read = self.0.read().await.map_err(Error::Store)?;
            query("SELECT kind, location FROM sink WHERE name = ?")
                .bind(sink.name())
                .fetch_optional(&mut read)
                .await
                .map_err(Error::Store)?
        };
        if known
            .as_ref()
            .is_some_and(|(kind, at)| kind == sink.kind() && *at == location)
        {
            return Ok(());
        }
        let mut write = self.0.write().await.map_err(Error::Store)?;
        query("DELETE FROM sink WHERE name = ?")
            .bind(sink.name())
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        query("INSERT INTO sink (name, kind, location) VALUES (?, ?, ?)")
            .bind(sink.name())
            .bind(sink.kind())
            .bind(location)
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }

    /// Where a sink stands in every ledger.
    pub(crate) async fn cursors(&self, sink: &str) -> Result<BTreeMap<TenantId, Cursor>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let rows: Vec<(String, i64, i64)> =
            query("SELECT tenant_id, as_of, mark FROM snapshot_cursor WHERE sink = ?")
                .bind(sink)
                .fetch_all(&mut read)
                .await
                .map_err(Error::Store)?;
        rows.into_iter()
            .map(|(tenant, as_of, mark)| Ok((tenant.parse()?, stored(as_of, mark))))
            .collect()
    }

    /// Where a sink stands in one ledger.
    pub(crate) async fn cursor(&self, sink: &str, tenant: TenantId) -> Result<Cursor, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let sql = "SELECT as_of, mark FROM snapshot_cursor WHERE sink = ? AND tenant_id = ?";
        let row = query(sql).bind(sink).bind(tenant.to_string());
        let row: Option<(i64, i64)> = row.fetch_optional(&mut read).await.map_err(Error::Store)?;
        Ok(row
            .map(|(as_of, mark)| stored(as_of, mark))
            .unwrap_or_default())
    }

    /// Moves cursors of a sink from where they stand to where they will, for several tenants at once. Returns those
    /// that stood there; the others stay, because another exporter moved them.
    pub(crate) async fn save(
        &self,
        sink: &str,
        moves: &[(TenantId, Cursor, Cursor)],
    ) -> Result<BTreeSet<TenantId>, Error> {
        let mut moved = BTreeSet::new();
        let mut write = self.0.write().await.map_err(Error::Store)?;
        for (tenant, from, to) in moves {
            let sql = "INSERT INTO snapshot_cursor (sink, tenant_id, as_of, mark) VALUES (?, ?, ?, ?)
                ON CONFLICT (sink, tenant_id) DO UPDATE SET as_of = excluded.as_of, mark = excluded.mark
                WHERE snapshot_cursor.as_of = ? AND snapshot_cursor.mark = ?";
            let rows = query(sql)
                .bind(sink)
                .bind(tenant.to_string())
                .bind(to.as_of.to_db())
                .bind(to.mark.to_db())
                .bind(from.as_of.to_db())
                .bind(from.mark.to_db())
                .execute(&mut write)
                .await
                .map_err(Error::Store)?;
            if rows == 1 {
                moved.insert(*tenant);
            }
        }
        write.commit().await.map_err(Error::Store)?;
        Ok(moved)
    }
}

/// The cursor of a sink that is replaced as a whole.
fn stored(as_of: i64, mark: i64) -> Cursor {
    Cursor {
        mark: Closing::from_db(mark),
        ..cursor::after_snapshot(Closing::from_db(as_of))
    }
}
