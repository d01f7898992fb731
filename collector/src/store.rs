//! The collector's database: leases on tenants, and the state of each dataset.

mod pause;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use pause::Pause;
use proto::ids::{Attempt, Dataset, TenantId, Timestamp};
use runtime::db::{Connection, Db, Migrations, query};
use runtime::row;

use crate::error::Error;
use crate::run::{Rules, State};
use crate::schedule::Schedule;

/// Forward only; never changed once released.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        (1, include_str!("../migrations/sqlite/0001_start.sql")),
        (2, include_str!("../migrations/sqlite/0002_budgets.sql")),
        (3, include_str!("../migrations/sqlite/0003_pauses.sql")),
    ],
    postgres: &[
        (1, include_str!("../migrations/postgres/0001_start.sql")),
        (2, include_str!("../migrations/postgres/0002_budgets.sql")),
        (3, include_str!("../migrations/postgres/0003_pauses.sql")),
    ],
    additions: &[],
};

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

/// A lease that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Its fencing number.
    pub attempt: Attempt,
    /// That of the lease before.
    pub last: Attempt,
    /// Another holder had it, and didn't give it back in time.
    pub taken_over: bool,
    /// What the last holder knew of the tenant's budgets.
    pub budgets: String,
}

/// What became of a lease that was to be prolonged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It lasts on.
    Held,
    /// It is somebody else's now.
    Lost,
    /// It lasts on, and the tenant was paused.
    Paused,
}

/// Datasets that [`Store::due`] names at a time.
pub const DUE: usize = 64;

row! {
    /// A dataset that there is something to do for.
    #[derive(Debug)]
    pub struct Due {
        wake_at: i64,
        pub tenant: String,
        dataset: String,
    }
}

/// That nobody else works for a tenant, and that it isn't paused.
macro_rules! free {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM lease
            WHERE lease.tenant = dataset.tenant AND lease.until > ? AND lease.holder <> ?)
        AND NOT EXISTS (SELECT 1 FROM pause WHERE pause.tenant = dataset.tenant)"
    };
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
        query("UPDATE lease SET until = 0").execute(&mut w).await?;
        Ok(w.commit().await?)
    }

    /// Takes the lease on a tenant for a while, under a new attempt; `None` while another holder's
    /// lasts. Where several collectors share the database, its clock decides.
    pub async fn lease(
        &self,
        tenant: TenantId,
        holder: &str,
        now: Timestamp,
        lasts: Duration,
    ) -> Result<Option<Lease>, Error> {
        let mut w = self.db.write().await?;
        // The row is there and locked from here on: whoever wants it too waits for this transaction.
        query("INSERT INTO lease (tenant, attempt, holder, until) VALUES (?, 0, '', 0) ON CONFLICT DO NOTHING")
            .bind(tenant.to_string())
            .execute(&mut w)
            .await?;
        let (last, other, ends, budgets): (i64, String, u64, String) =
            query("SELECT attempt, holder, until, budgets FROM lease WHERE tenant = ? FOR UPDATE")
                .bind(tenant.to_string())
                .fetch_one(&mut w)
                .await?;
        let now = Timestamp(w.now(now.0).await?);
        if other != holder && Timestamp(ends) > now {
            return Ok(None);
        }
        let last = Attempt::from_db(last);
        let attempt = last.next(now);
        query("UPDATE lease SET attempt = ?, holder = ?, until = ? WHERE tenant = ?")
            .bind(attempt.to_db())
            .bind(holder)
            .bind(now.plus(lasts).0)
            .bind(tenant.to_string())
            .execute(&mut w)
            .await?;
        w.commit().await?;
        Ok(Some(Lease {
            attempt,
            last,
            taken_over: other != holder && ends > 0,
            budgets,
        }))
    }

    /// Prolongs a lease, and stores what is known of the tenant's budgets.
    pub async fn renew(
        &self,
        tenant: TenantId,
        attempt: Attempt,
        now: Timestamp,
        lasts: Duration,
        budgets: &str,
    ) -> Result<Renewed, Error> {
        let mut w = self.db.write().await?;
        let now = Timestamp(w.now(now.0).await?);
        let done =
            query("UPDATE lease SET until = ?, budgets = ? WHERE tenant = ? AND attempt = ?")
                .bind(now.plus(lasts).0)
                .bind(budgets)
                .bind(tenant.to_string())
                .bind(attempt.to_db())
                .execute(&mut w)
                .await?;
        let paused = Self::is_paused(&mut w, tenant).await?;
        w.commit().await?;
        Ok(match (done == 1, paused) {
            (false, _) => Renewed::Lost,
            (true, false) => Renewed::Held,
            (true, true) => Renewed::Paused,
        })
    }

    /// Ends a lease, and stores what is known of the tenant's budgets.
    pub async fn release(
        &self,
        tenant: TenantId,
        attempt: Attempt,
        budgets: &str,
    ) -> Result<(), Error> {
        let mut w = self.db.write().await?;
        query("UPDATE lease SET until = 0, budgets = ? WHERE tenant = ? AND attempt = ?")
            .bind(budgets)
            .bind(tenant.to_string())
            .bind(attempt.to_db())
            .execute(&mut w)
            .await?;
        Ok(w.commit().await?)
    }

    /// Whether other processes may change the database.
    pub fn is_shared(&self) -> bool {
        self.db.is_shared()
    }

    /// Datasets that there is something to do for now, latest first: the [`DUE`] ones behind `after`. Those of paused
    /// tenants are left out, and where several collectors share the database, those that another holder works for.
    pub async fn due(
        &self,
        holder: &str,
        now: Timestamp,
        after: Option<&Due>,
    ) -> Result<Vec<Due>, Error> {
        let mut r = self.db.read().await?;
        let leased = self.leased(&mut r, now).await?;
        let (wake_at, tenant, dataset) = after.map_or((-1, "", ""), |d| {
            (d.wake_at, d.tenant.as_str(), d.dataset.as_str())
        });
        let q = query(concat!(
            "SELECT wake_at, tenant, dataset FROM dataset
            WHERE wake_at <= ? AND (wake_at, tenant, dataset) > (?, ?, ?)",
            free!(),
            " ORDER BY wake_at, tenant, dataset LIMIT ?"
        ));
        let q = q.bind(now.0).bind(wake_at).bind(tenant);
        let q = q.bind(dataset).bind(leased).bind(holder);
        let limit = i64::try_from(DUE).unwrap_or(i64::MAX);
        Ok(q.bind(limit).fetch_all(&mut r).await?)
    }

    /// Since when the dataset waits that waits longest for its turn at its cadence; none where nothing waits. What is due
    /// by command or by the protocol, and so at once, is left out.
    pub async fn latest(&self, holder: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let mut r = self.db.read().await?;
        let leased = self.leased(&mut r, now).await?;
        let q = query(concat!(
            "SELECT min(wake_at) FROM dataset WHERE wake_at <= ? AND wake_at > 0",
            free!()
        ));
        let q = q.bind(now.0).bind(leased).bind(holder);
        let at: Option<i64> = q.fetch_one(&mut r).await?;
        Ok(at.and_then(|t| u64::try_from(t).ok()).map(Timestamp))
    }

    /// Leases that last until then or longer are looked at: all are ours where nobody shares the database.
    async fn leased(&self, r: &mut Connection, now: Timestamp) -> Result<u64, Error> {
        match self.is_shared() {
            true => Ok(r.now(now.0).await?),
            false => Ok(u64::MAX),
        }
    }

    /// The next moment after `now` at which a dataset wakes.
    pub async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let mut r = self.db.read().await?;
        let at: Option<i64> = query("SELECT min(wake_at) FROM dataset WHERE wake_at > ?")
            .bind(now.0)
            .fetch_one(&mut r)
            .await?;
        Ok(at.and_then(|t| u64::try_from(t).ok()).map(Timestamp))
    }

    /// When there is something to do for each dataset of a tenant; nothing while it is paused.
    pub async fn wakes(&self, tenant: TenantId) -> Result<BTreeMap<String, Timestamp>, Error> {
        let mut r = self.db.read().await?;
        let sql = "SELECT dataset, wake_at FROM dataset WHERE tenant = ?
            AND NOT EXISTS (SELECT 1 FROM pause WHERE pause.tenant = dataset.tenant)";
        let all = query(sql).bind(tenant.to_string());
        let all: Vec<(String, u64)> = all.fetch_all(&mut r).await?;
        Ok(all.into_iter().map(|(d, at)| (d, Timestamp(at))).collect())
    }

    /// The names of all datasets that have a row.
    pub async fn known(&self) -> Result<BTreeSet<(TenantId, Dataset)>, Error> {
        let mut r = self.db.read().await?;
        let sql = "SELECT tenant, dataset FROM dataset";
        let rows = query(sql).fetch_all(&mut r).await?;
        Ok(names(rows).collect())
    }

    /// Every dataset, ordered by tenant and name.
    pub async fn all(&self) -> Result<Vec<Row>, Error> {
        let mut r = self.db.read().await?;
        let sql = "SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset ORDER BY tenant, dataset";
        let rows = query(sql).fetch_all::<Stored>(&mut r).await?;
        rows.iter().map(read).collect()
    }

    /// The datasets of one tenant.
    pub async fn of(&self, tenant: TenantId) -> Result<Vec<Row>, Error> {
        let mut r = self.db.read().await?;
        let sql =
            "SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset WHERE tenant = ?";
        let rows = query(sql).bind(tenant.to_string());
        let rows = rows.fetch_all::<Stored>(&mut r).await?;
        rows.iter().map(read).collect()
    }

    /// Makes a row for a dataset that has none.
    pub async fn ensure(
        &self,
        tenant: TenantId,
        dataset: &Dataset,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut w = self.db.write().await?;
        query("INSERT INTO dataset (tenant, dataset, cursor, schedule, wake_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(tenant.to_string())
            .bind(dataset.as_str())
            .bind(serde_json::to_string(&crate::run::Cursor::default())?)
            .bind(serde_json::to_string(&Schedule {
                fresh_at: now,
                ..Schedule::default()
            })?)
            .bind(now.0)
            .execute(&mut w)
            .await?;
        Ok(w.commit().await?)
    }

    /// Changes one dataset in a transaction. With a `fence` only while that attempt holds the tenant's lease; never
    /// where a newer release reads it.
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
            let held: Option<i64> = query("SELECT attempt FROM lease WHERE tenant = ? FOR SHARE")
                .bind(tenant.to_string())
                .fetch_optional(&mut w)
                .await?;
            if held != Some(attempt.to_db()) {
                return Err(Error::Fenced);
            }
        }
        let row = query("SELECT tenant, dataset, cursor, open, sealed, schedule FROM dataset WHERE tenant = ? AND dataset = ? FOR UPDATE")
            .bind(tenant.to_string())
            .bind(dataset.as_str())
            .fetch_optional::<Stored>(&mut w)
            .await?
            .ok_or(Error::Fenced)?;
        let mut row = read(&row)?;
        if row.state.is_newer(rules) {
            return Err(Error::newer(&row.state, rules));
        }
        let out = change(&mut row);
        if row.forget {
            query("DELETE FROM dataset WHERE tenant = ? AND dataset = ?")
                .bind(tenant.to_string())
                .bind(dataset.as_str())
                .execute(&mut w)
                .await?;
            w.commit().await?;
            return Ok((out, row));
        }
        write(
            &mut w,
            &row,
            row.schedule.wake_at(&row.state, rules, self.scheduled, now),
        )
        .await?;
        w.commit().await?;
        Ok((out, row))
    }
}

row! {
    /// As it is in the table.
    struct Stored {
        tenant: String,
        dataset: String,
        cursor: String,
        open: Option<String>,
        sealed: Option<String>,
        schedule: String,
    }
}

async fn write(w: &mut Connection, row: &Row, wake_at: Timestamp) -> Result<(), Error> {
    query("UPDATE dataset SET cursor = ?, open = ?, sealed = ?, schedule = ?, wake_at = ? WHERE tenant = ? AND dataset = ?")
        .bind(serde_json::to_string(&row.state.cursor)?)
        .bind(row.state.open.as_ref().map(serde_json::to_string).transpose()?)
        .bind(row.state.sealed.as_ref().map(serde_json::to_string).transpose()?)
        .bind(serde_json::to_string(&row.schedule)?)
        .bind(wake_at.0)
        .bind(row.tenant.to_string())
        .bind(row.dataset.as_str())
        .execute(w)
        .await?;
    Ok(())
}

fn names(rows: Vec<(String, String)>) -> impl Iterator<Item = (TenantId, Dataset)> {
    let name =
        |(tenant, dataset): (String, String)| Some((tenant.parse().ok()?, dataset.parse().ok()?));
    rows.into_iter().filter_map(name)
}

fn read(row: &Stored) -> Result<Row, Error> {
    let bad = |e: proto::ids::IdError| Error::Store(runtime::db::Error::Decode(e.into()));
    let open = row.open.as_deref().map(serde_json::from_str);
    let sealed = row.sealed.as_deref().map(serde_json::from_str);
    Ok(Row {
        tenant: row.tenant.parse().map_err(bad)?,
        dataset: row.dataset.parse().map_err(bad)?,
        state: State {
            cursor: serde_json::from_str(&row.cursor)?,
            open: open.transpose()?,
            sealed: sealed.transpose()?,
        },
        schedule: serde_json::from_str(&row.schedule)?,
        forget: false,
    })
}

#[cfg(test)]
mod tests;
