//! Suspects of a dataset, as stored.

use std::collections::BTreeMap;

use proto::ids::{RunId, Timestamp};
use runtime::db::{Connection, query};

use super::absence::{State, Suspicion};
use super::pages::number;
use crate::error::Error;

/// Suspects by key.
pub(super) type Suspects = BTreeMap<String, Suspicion>;

impl State {
    pub(crate) fn to_db(self) -> i64 {
        match self {
            State::Open => 0,
            State::Held => 1,
            State::Approved => 2,
        }
    }

    pub(crate) fn from_db(n: i64) -> State {
        match n {
            1 => State::Held,
            2 => State::Approved,
            _ => State::Open,
        }
    }
}

fn time(n: i64) -> Timestamp {
    Timestamp(u64::try_from(n).unwrap_or(0))
}

pub(super) async fn load(
    c: &mut Connection,
    tenant: i64,
    dataset: &str,
) -> Result<Suspects, Error> {
    let sql = "SELECT key, since, state, run FROM suspect WHERE tenant = ? AND dataset = ?";
    let rows: Vec<(String, i64, i64, i64)> = query(sql)
        .bind(tenant)
        .bind(dataset)
        .fetch_all(c)
        .await
        .map_err(Error::db("read suspects"))?;
    let read = |(key, since, state, run)| {
        (
            key,
            Suspicion {
                since: time(since),
                state: State::from_db(state),
                run: RunId::from_db(run),
            },
        )
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Writes what differs.
pub(super) async fn store(
    c: &mut Connection,
    (tenant, dataset): (i64, &str),
    before: &Suspects,
    after: &Suspects,
) -> Result<(), Error> {
    let failed = "write suspects";
    let gone: Vec<&String> = before.keys().filter(|k| !after.contains_key(*k)).collect();
    if !gone.is_empty() {
        let sql = "DELETE FROM suspect WHERE tenant = ? AND dataset = ? AND key IN (??)";
        query(sql)
            .bind(tenant)
            .bind(dataset)
            .bind(&gone)
            .execute(c)
            .await
            .map_err(Error::db(failed))?;
    }
    let written: Vec<_> = after
        .iter()
        .filter(|(k, s)| before.get(*k) != Some(*s))
        .collect();
    for chunk in written.chunks(100) {
        let sql = format!(
            "INSERT INTO suspect (tenant, dataset, key, since, state, run) VALUES {}
            ON CONFLICT (tenant, dataset, key) DO UPDATE SET since = excluded.since, state = excluded.state,
            run = excluded.run",
            runtime::db::placeholders(chunk.len(), 6)
        );
        let mut q = query(runtime::db::AssertSqlSafe(sql));
        for (key, s) in chunk {
            q = q
                .bind(tenant)
                .bind(dataset)
                .bind(key.as_str())
                .bind(number(s.since.0))
                .bind(s.state.to_db())
                .bind(s.run.to_db());
        }
        q.execute(c).await.map_err(Error::db(failed))?;
    }
    Ok(())
}
