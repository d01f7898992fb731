//! Publishes verdicts and closings from the closings table until the queue has confirmed them.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use proto::message::Body;
use proto::pages::v1::{ClosingAnnounced, RunClosed};
use runtime::CancellationToken;
use runtime::db::query;
use runtime::error::Chain;
use runtime::{row, trace};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::Normalizer;
use crate::error::Error;
use crate::worker::BACKOFF;

/// Closings that are published between two commits.
const BATCH: i64 = 64;
/// Where several processes share the ledger, each publishes what it closed itself. What is not published for this
/// time, in microseconds, is published by whoever finds it: its process has ended, or the queue is slow.
const LEFT_BEHIND: u64 = 20_000_000;
/// What others left behind is looked for after this time.
const SWEEP_EVERY: Duration = Duration::from_secs(15);

/// Rows that this process has to publish, and the traces that they belong to.
type Mine = BTreeMap<i64, Option<String>>;

row! {
    struct Row {
        id: i64,
        tenant: String,
        closing: i64,
        verdict: Vec<u8>,
        verdict_published: bool,
        announced: bool,
        asked: i64,
    }
}

impl Normalizer {
    /// Publishes until `stop`, then finishes what is in hand; the caller bounds that. Whatever is left is published
    /// after the next start.
    pub(crate) async fn publish_all(&self, stop: CancellationToken) {
        let mut failures = 0;
        let shared = self.0.db.is_shared();
        // At start, and from time to time: what a process that ended has not published.
        let mut sweep = true;
        let mut next = Instant::now() + SWEEP_EVERY;
        loop {
            let published = self.publish_some(sweep).await;
            let pause = match published {
                Ok(0) => None,
                Ok(_) if stop.is_cancelled() => return,
                Ok(_) => {
                    failures = 0;
                    continue;
                }
                Err(e) => {
                    tracing::error!(error = %Chain(&e), "a verdict could not be published");
                    failures += 1;
                    Some(BACKOFF.delay(failures - 1, 0.5))
                }
            };
            sweep = false;
            tokio::select! {
                () = self.0.publish.notified(), if pause.is_none() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = tokio::time::sleep_until(next), if shared && pause.is_none() => {
                    sweep = true;
                    next = Instant::now() + SWEEP_EVERY;
                }
                () = stop.cancelled() => return,
            }
        }
    }

    /// This process has to publish the verdict in this row.
    pub(crate) fn to_publish(&self, closing: Option<i64>) {
        self.mine(|mine| mine.extend(closing.map(|row| (row, trace::current()))));
        self.0.publish.notify_one();
    }

    fn mine<T>(&self, work: impl FnOnce(&mut Mine) -> T) -> T {
        let mut mine = self.0.unpublished.lock();
        work(mine.as_mut().unwrap_or_else(|e| e.get_mut()))
    }

    pub(crate) async fn publish_some(&self, sweep: bool) -> Result<usize, Error> {
        let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
        let mine = self.mine(|mine| {
            let mut taken = std::mem::take(mine);
            if let Some(first) = taken.keys().nth(batch).copied() {
                *mine = taken.split_off(&first);
            }
            taken
        });
        let published = self.publish_these(&mine, sweep).await;
        if published.is_err() {
            self.mine(|all| all.extend(mine));
        }
        published
    }

    async fn publish_these(&self, mine: &Mine, sweep: bool) -> Result<usize, Error> {
        let rows = self.unpublished(mine, sweep).await?;
        let publish = rows.iter().map(|row| {
            let span = trace::step("publish", &row.tenant, "verdict");
            trace::child_of(&span, mine.get(&row.id).and_then(Option::as_deref));
            self.publish(row).instrument(span)
        });
        futures::future::try_join_all(publish).await?;
        if !rows.is_empty() {
            self.published(&rows).await?;
        }
        Ok(rows.len())
    }

    /// What is to be published now: all of it where this process is alone, else what it closed itself and, in a sweep,
    /// what others have not published for so long that they may have ended.
    async fn unpublished(&self, mine: &Mine, sweep: bool) -> Result<Vec<Row>, Error> {
        let failed = "read what is to be published";
        let before = match (self.0.db.is_shared(), sweep) {
            (false, _) => u64::MAX,
            (true, true) => self.now().0.saturating_sub(LEFT_BEHIND),
            (true, false) if mine.is_empty() => return Ok(Vec::new()),
            (true, false) => 0,
        };
        let mut read = self.0.db.read().await.map_err(Error::db(failed))?;
        let sql =
            "SELECT c.id, t.tenant, c.closing, c.verdict, c.verdict_published, c.announced, c.asked
            FROM closing c JOIN tenant t ON t.id = c.tenant
            WHERE (c.verdict_published = 0 OR c.announced = 0) AND (c.closed_at < ? OR c.id IN (??))
            ORDER BY c.id LIMIT ?";
        query(sql)
            .bind(before)
            .bind(mine.keys().copied().collect::<Vec<_>>())
            .bind(BATCH)
            .fetch_all(&mut read)
            .await
            .map_err(Error::db(failed))
    }

    /// Notes what was published. A verdict that was asked for meanwhile stays to be published: the one that was on its
    /// way may be the one that the collector has lost.
    async fn published(&self, rows: &[Row]) -> Result<(), Error> {
        let failed = "note what was published";
        let mut by_asked: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for row in rows {
            by_asked.entry(row.asked).or_default().push(row.id);
        }
        let mut w = self.0.db.write().await.map_err(Error::db(failed))?;
        let sql = "UPDATE closing SET announced = 1, verdict_published = CASE WHEN asked = ? THEN 1 ELSE 0 END
            WHERE id IN (??)";
        for (asked, ids) in &by_asked {
            let q = query(sql).bind(asked).bind(ids);
            q.execute(&mut w).await.map_err(Error::db(failed))?;
        }
        w.commit().await.map_err(Error::db(failed))
    }

    async fn publish(&self, row: &Row) -> Result<(), Error> {
        if !row.verdict_published {
            match RunClosed::decode(&row.verdict[..]) {
                Ok(verdict) => {
                    let dataset = verdict.dataset.clone();
                    self.send(Body::Closed(verdict)).await?;
                    runtime::metrics::ledger::verdict_published(&dataset);
                }
                // It must not keep all others; the collector reads again by itself.
                Err(_) => {
                    let (tenant, closing) = (&row.tenant, row.closing);
                    tracing::error!(%tenant, closing, "a verdict can't be read and is given up");
                }
            }
        }
        if !row.announced {
            let closing = u64::try_from(row.closing).unwrap_or(0);
            self.send(Body::Closing(ClosingAnnounced {
                tenant_id: row.tenant.clone(),
                closing,
            }))
            .await?;
        }
        Ok(())
    }

    async fn send(&self, body: Body) -> Result<(), Error> {
        match self.0.bus.publish(&body).await {
            // A pool that is gone must not keep the verdicts of all others; the collector reads again by itself.
            Err(
                e @ (bus::PublishError::Unroutable { .. }
                | bus::PublishError::Id(_)
                | bus::PublishError::TooLarge { .. }),
            ) => {
                tracing::error!(error = %Chain(&e), "a message is given up");
                Ok(())
            }
            published => Ok(published?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bus::{Bus, Keys, Topology, memory::Memory};
    use runtime::Clock;
    use runtime::db::{Db, Durability, Options};

    use super::*;
    use crate::{Config, Deps, MIGRATIONS};

    async fn normalizer(dir: &std::path::Path) -> Normalizer {
        let options = Options {
            path: dir.join("ledger.db"),
            durability: Durability::Normal,
            brake: false,
        };
        let topology = Topology::of_pools(["p".parse().unwrap()]);
        let deps = Deps {
            bus: Bus::new(Arc::new(Memory::new(topology)), Keys::generate()),
            db: Db::open(&options, &MIGRATIONS).await.unwrap(),
            clock: Clock::starting_at(1),
            at_rest: None,
        };
        Normalizer::new(Config::default(), deps).unwrap()
    }

    async fn sql(n: &Normalizer, sql: &'static str) {
        let mut w = n.0.db.write().await.unwrap();
        query(sql).execute(&mut w).await.unwrap();
        w.commit().await.unwrap();
    }

    const TENANT: &str =
        "INSERT INTO tenant (id, tenant) VALUES (1, '11111111-2222-3333-4444-555555555555')";
    const CLOSING: &str = "INSERT INTO closing (tenant, closing, dataset, run, attempt, mode, pages, requests, started_at,
        closed_at, changed_records, verdict, announced) VALUES (1, 7, 'users', 5, 1, 1, 0, 0, 0, 0, 0, x'ffff', 1)";

    #[tokio::test]
    async fn what_cant_be_read_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let n = normalizer(dir.path()).await;
        sql(&n, TENANT).await;
        sql(&n, CLOSING).await;
        assert_eq!(n.publish_some(true).await.unwrap(), 1);
        assert_eq!(n.publish_some(true).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_was_asked_for_meanwhile_is_published_again() {
        let dir = tempfile::tempdir().unwrap();
        let n = normalizer(dir.path()).await;
        sql(&n, TENANT).await;
        sql(&n, CLOSING).await;
        let rows = n.unpublished(&Mine::new(), true).await.unwrap();
        sql(
            &n,
            "UPDATE closing SET verdict_published = 0, asked = asked + 1",
        )
        .await;
        n.published(&rows).await.unwrap();
        let again = n.unpublished(&Mine::new(), true).await.unwrap();
        assert_eq!(again.len(), 1);
        n.published(&again).await.unwrap();
        assert!(n.unpublished(&Mine::new(), true).await.unwrap().is_empty());
    }
}
