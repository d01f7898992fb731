//! The collector's database: leases on tenants, and the state of each dataset.

use std::collections::BTreeSet;

use proto::ids::{Attempt, Dataset, TenantId, Timestamp};
use runtime::db::Db;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::error::Error;
use crate::run::{Rules, State};
use crate::schedule::Schedule;

/// Forward only; never changed once released.
pub const MIGRATIONS: &[(i64, &str)] = &[(1, include_str!("../migrations/0001_start.sql"))];

/// A dataset of a tenant as it is stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// The tenant.
    pub tenant: TenantId,
    /// The dataset.
    pub dataset: Dataset,
    /// The protocol's state.
    pub state: State,
    /// Its place in the schedule.
    pub schedule: Schedule,
    /// Set to have the row deleted.
    pub forget: bool,
}

/// The database.
#[derive(Clone)]
pub struct Store {
    db: Db,
    scheduled: bool,
}

impl Store {
    /// On an open database.
    pub fn new(db: Db, scheduled: bool) -> Self {
        Store { db, scheduled }
    }

    /// Ends the leases of processes that are gone: whoever holds the data directory's lock is alone.
    pub async fn void_leases(&self) -> Result<(), Error> {
        let mut w = self.db.write().await?;
        sqlx::query("UPDATE lease SET until = 0")
            .execute(&mut *w)
            .await?;
        Ok(w.commit().await?)
    }

    /// Takes the lease on a tenant, under a new attempt; `None` while another holder's lasts.
    pub async fn lease(
        &self,
        tenant: TenantId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Attempt>, Error> {
        let mut w = self.db.write().await?;
        let held = sqlx::query("SELECT attempt, holder, until FROM lease WHERE tenant = ?")
            .bind(tenant.to_string())
            .fetch_optional(&mut *w)
            .await?;
        let mut last = Attempt(0);
        if let Some(row) = held {
            last = Attempt::from_db(row.get(0));
            let (other, ends): (String, i64) = (row.get(1), row.get(2));
            if other != holder && Timestamp(u64::try_from(ends).unwrap_or(0)) > now {
                return Ok(None);
            }
        }
        let attempt = last.next(now);
        sqlx::query("INSERT INTO lease (tenant, attempt, holder, until) VALUES (?, ?, ?, ?) ON CONFLICT (tenant) DO UPDATE SET attempt = excluded.attempt, holder = excluded.holder, until = excluded.until")
            .bind(tenant.to_string())
            .bind(attempt.to_db())
            .bind(holder)
            .bind(micros(until))
            .execute(&mut *w)
            .await?;
        w.commit().await?;
        Ok(Some(attempt))
    }

    /// Prolongs a lease, or ends it with `until` = 0. False: it is somebody else's now.
    pub async fn renew(
        &self,
        tenant: TenantId,
        attempt: Attempt,
        until: Timestamp,
    ) -> Result<bool, Error> {
        let mut w = self.db.write().await?;
        let done = sqlx::query("UPDATE lease SET until = ? WHERE tenant = ? AND attempt = ?")
            .bind(micros(until))
            .bind(tenant.to_string())
            .bind(attempt.to_db())
            .execute(&mut *w)
            .await?;
        w.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// All datasets that there is something to do for now, latest first.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<(TenantId, Dataset)>, Error> {
        let mut r = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT tenant, dataset FROM dataset WHERE wake_at <= ? ORDER BY wake_at, tenant",
        )
        .bind(micros(now))
        .fetch_all(&mut *r)
        .await?;
        Ok(names(rows).collect())
    }

    /// The next moment after `now` at which a dataset wakes.
    pub async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let mut r = self.db.read().await?;
        let at: Option<i64> =
            sqlx::query_scalar("SELECT min(wake_at) FROM dataset WHERE wake_at > ?")
                .bind(micros(now))
                .fetch_one(&mut *r)
                .await?;
        Ok(at.and_then(|t| u64::try_from(t).ok()).map(Timestamp))
    }

    /// Whether there is something to do for this dataset now.
    pub async fn is_due(
        &self,
        tenant: TenantId,
        dataset: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut r = self.db.read().await?;
        let due: Option<bool> =
            sqlx::query_scalar("SELECT wake_at <= ? FROM dataset WHERE tenant = ? AND dataset = ?")
                .bind(micros(now))
                .bind(tenant.to_string())
                .bind(dataset)
                .fetch_optional(&mut *r)
                .await?;
        Ok(due.unwrap_or(false))
    }

    /// The names of all datasets that have a row.
    pub async fn known(&self) -> Result<BTreeSet<(TenantId, Dataset)>, Error> {
        let mut r = self.db.read().await?;
        let rows = sqlx::query("SELECT tenant, dataset FROM dataset")
            .fetch_all(&mut *r)
            .await?;
        Ok(names(rows).collect())
    }

    /// Every dataset, ordered by tenant and name.
    pub async fn all(&self) -> Result<Vec<Row>, Error> {
        let mut r = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset ORDER BY tenant, dataset",
        )
        .fetch_all(&mut *r)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The datasets of one tenant.
    pub async fn of(&self, tenant: TenantId) -> Result<Vec<Row>, Error> {
        let mut r = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset WHERE tenant = ?",
        )
        .bind(tenant.to_string())
        .fetch_all(&mut *r)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Makes a row for a dataset that has none.
    pub async fn ensure(&self, tenant: TenantId, dataset: &Dataset) -> Result<(), Error> {
        let mut w = self.db.write().await?;
        sqlx::query("INSERT INTO dataset (tenant, dataset, cursor, schedule, wake_at) VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING")
            .bind(tenant.to_string())
            .bind(dataset.as_str())
            .bind(serde_json::to_string(&crate::run::Cursor::default())?)
            .bind(serde_json::to_string(&Schedule::default())?)
            .execute(&mut *w)
            .await?;
        Ok(w.commit().await?)
    }

    /// Changes one dataset in a transaction. With a `fence` only while that attempt holds the tenant's lease.
    pub async fn update<T: Send>(
        &self,
        tenant: TenantId,
        dataset: &Dataset,
        fence: Option<Attempt>,
        rules: &Rules,
        now: Timestamp,
        change: impl FnOnce(&mut Row) -> T + Send,
    ) -> Result<(T, Row), Error> {
        let mut w = self.db.write().await?;
        if let Some(attempt) = fence {
            let held: Option<i64> =
                sqlx::query_scalar("SELECT attempt FROM lease WHERE tenant = ?")
                    .bind(tenant.to_string())
                    .fetch_optional(&mut *w)
                    .await?;
            if held != Some(attempt.to_db()) {
                return Err(Error::Fenced);
            }
        }
        let row = sqlx::query("SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset WHERE tenant = ? AND dataset = ?")
            .bind(tenant.to_string())
            .bind(dataset.as_str())
            .fetch_optional(&mut *w)
            .await?
            .ok_or(Error::Fenced)?;
        let mut row = read(&row)?;
        let out = change(&mut row);
        if row.forget {
            sqlx::query("DELETE FROM dataset WHERE tenant = ? AND dataset = ?")
                .bind(tenant.to_string())
                .bind(dataset.as_str())
                .execute(&mut *w)
                .await?;
            w.commit().await?;
            return Ok((out, row));
        }
        write(
            &mut w,
            &row,
            micros(row.schedule.wake_at(&row.state, rules, self.scheduled, now)),
        )
        .await?;
        w.commit().await?;
        Ok((out, row))
    }
}

async fn write(w: &mut SqliteConnection, row: &Row, wake_at: i64) -> Result<(), Error> {
    sqlx::query("UPDATE dataset SET cursor = ?, open = ?, sealed = ?, schedule = ?, wake_at = ? WHERE tenant = ? AND dataset = ?")
        .bind(serde_json::to_string(&row.state.cursor)?)
        .bind(row.state.open.as_ref().map(serde_json::to_string).transpose()?)
        .bind(row.state.sealed.as_ref().map(serde_json::to_string).transpose()?)
        .bind(serde_json::to_string(&row.schedule)?)
        .bind(wake_at)
        .bind(row.tenant.to_string())
        .bind(row.dataset.as_str())
        .execute(w)
        .await?;
    Ok(())
}

fn names(rows: Vec<SqliteRow>) -> impl Iterator<Item = (TenantId, Dataset)> {
    rows.into_iter().filter_map(|r| {
        Some((
            r.get::<&str, _>(0).parse().ok()?,
            r.get::<&str, _>(1).parse().ok()?,
        ))
    })
}

fn read(row: &SqliteRow) -> Result<Row, Error> {
    let text = |n: usize| row.get::<Option<&str>, _>(n);
    let bad = |e: proto::ids::IdError| Error::Store(sqlx::Error::Decode(e.into()));
    Ok(Row {
        tenant: row.get::<&str, _>(0).parse().map_err(bad)?,
        dataset: row.get::<&str, _>(1).parse().map_err(bad)?,
        state: State {
            cursor: serde_json::from_str(row.get(2))?,
            open: text(3).map(serde_json::from_str).transpose()?,
            sealed: text(4).map(serde_json::from_str).transpose()?,
        },
        schedule: serde_json::from_str(row.get(5))?,
        forget: false,
    })
}

fn micros(t: Timestamp) -> i64 {
    i64::try_from(t.0).unwrap_or(i64::MAX)
}
