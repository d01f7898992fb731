//! Whole numbers for objects, for systems that have no room for a GUID.
//!
//! A number belongs to one object of one sink for good: two objects under one number would overwrite each other there. It
//! is not made of the key, because a hash may collide; it is `max(last + 1, now in microseconds)`, so that an exporter
//! whose database was restored gives no number a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::ids::TenantId;
use runtime::Clock;
use runtime::db::{AssertSqlSafe, Connection, Db, placeholders, query};

use crate::error::Error;

/// Keys in a statement: far below SQLite's 32,766 values.
const GROUP: usize = 500;

/// A number that was asked for is marked as in use this often: microseconds of a day.
const DAY: u64 = 86_400_000_000;

/// The numbers that one sink knows objects by.
#[derive(Clone)]
pub struct Identities {
    db: Db,
    clock: Clock,
    sink: String,
}

impl Identities {
    /// Those of a sink, in the exporter's database.
    pub(crate) fn new(db: Db, clock: Clock, sink: String) -> Self {
        Identities { db, clock, sink }
    }

    /// The numbers of objects of a class, by their keys. Objects that have none get one.
    ///
    /// # Errors
    /// When the exporter's database fails.
    pub async fn of(
        &self,
        tenant: TenantId,
        class: &str,
        keys: &[String],
    ) -> Result<BTreeMap<String, i64>, Error> {
        let mut numbers = BTreeMap::new();
        for keys in keys.chunks(GROUP) {
            self.group(tenant, class, keys, &mut numbers).await?;
        }
        Ok(numbers)
    }

    async fn group(
        &self,
        tenant: TenantId,
        class: &str,
        keys: &[String],
        numbers: &mut BTreeMap<String, i64>,
    ) -> Result<(), Error> {
        let mut write = self.db.write().await.map_err(Error::Store)?;
        // Whoever gives numbers of a sink does it alone.
        let _: Option<(String,)> = query("SELECT name FROM sink WHERE name = ? FOR UPDATE")
            .bind(&self.sink)
            .fetch_optional(&mut write)
            .await
            .map_err(Error::Store)?;
        let now = self.clock.micros();
        let known = self.known(&mut write, tenant, class, keys).await?;
        let mut stale = Vec::new();
        for (key, id, asked) in known {
            if u64::try_from(asked).unwrap_or(0).saturating_add(DAY) < now {
                stale.push(key.clone());
            }
            numbers.insert(key, id);
        }
        if !stale.is_empty() {
            let sql = "UPDATE external_id SET asked = ?
                WHERE sink = ? AND tenant_id = ? AND class = ? AND key IN (??)";
            let touch = query(sql)
                .bind(now)
                .bind(&self.sink)
                .bind(tenant.to_string());
            touch
                .bind(class)
                .bind(&stale)
                .execute(&mut write)
                .await
                .map_err(Error::Store)?;
        }
        let mut new: Vec<&String> = keys.iter().filter(|k| !numbers.contains_key(*k)).collect();
        new.sort();
        new.dedup();
        if !new.is_empty() {
            let first = self.next(&mut write, now).await?;
            let given: Vec<_> = new.into_iter().zip(first..).collect();
            self.give(&mut write, tenant, class, &given, now).await?;
            numbers.extend(given.into_iter().map(|(key, id)| (key.clone(), id)));
        }
        write.commit().await.map_err(Error::Store)
    }

    async fn known(
        &self,
        c: &mut Connection,
        tenant: TenantId,
        class: &str,
        keys: &[String],
    ) -> Result<Vec<(String, i64, i64)>, Error> {
        let sql = "SELECT key, id, asked FROM external_id
            WHERE sink = ? AND tenant_id = ? AND class = ? AND key IN (??)";
        query(sql)
            .bind(&self.sink)
            .bind(tenant.to_string())
            .bind(class)
            .bind(keys)
            .fetch_all(c)
            .await
            .map_err(Error::Store)
    }

    /// The first number that was never given.
    async fn next(&self, c: &mut Connection, now: u64) -> Result<i64, Error> {
        let last: Option<(i64,)> =
            query("SELECT id FROM external_id WHERE sink = ? ORDER BY id DESC LIMIT 1")
                .bind(&self.sink)
                .fetch_optional(c)
                .await
                .map_err(Error::Store)?;
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Ok(last.map_or(now, |(last,)| now.max(last.saturating_add(1))))
    }

    async fn give(
        &self,
        c: &mut Connection,
        tenant: TenantId,
        class: &str,
        given: &[(&String, i64)],
        now: u64,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO external_id (sink, tenant_id, class, key, id, asked) VALUES {}",
            placeholders(given.len(), 6)
        );
        let mut insert = query(AssertSqlSafe(sql));
        for (key, id) in given {
            insert = insert
                .bind(&self.sink)
                .bind(tenant.to_string())
                .bind(class)
                .bind(*key)
                .bind(*id)
                .bind(now);
        }
        insert.execute(c).await.map(drop).map_err(Error::Store)
    }

    /// Forgets the numbers that nobody asked for in so long a time. They are not given again.
    ///
    /// # Errors
    /// When the exporter's database fails.
    pub async fn forget(&self, tenant: TenantId, unused: Duration) -> Result<(), Error> {
        let unused = u64::try_from(unused.as_micros()).unwrap_or(u64::MAX);
        let mut write = self.db.write().await.map_err(Error::Store)?;
        query("DELETE FROM external_id WHERE sink = ? AND tenant_id = ? AND asked < ?")
            .bind(&self.sink)
            .bind(tenant.to_string())
            .bind(self.clock.micros().saturating_sub(unused))
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
