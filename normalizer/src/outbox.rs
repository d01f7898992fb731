//! Publishes verdicts and closings from the closings table until the queue has confirmed them.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::message::Body;
use proto::pages::v1::{ClosingAnnounced, RunClosed};
use runtime::CancellationToken;
use runtime::db::query;
use runtime::error::Chain;
use runtime::row;

use crate::Normalizer;
use crate::error::Error;
use crate::worker::BACKOFF;

/// Closings that are published between two commits.
const BATCH: i64 = 64;

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
        loop {
            let published = self.publish_some().await;
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
            tokio::select! {
                () = self.0.publish.notified(), if pause.is_none() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn publish_some(&self) -> Result<usize, Error> {
        let rows = self.unpublished().await?;
        futures::future::try_join_all(rows.iter().map(|row| self.publish(row))).await?;
        if !rows.is_empty() {
            self.published(&rows).await?;
        }
        Ok(rows.len())
    }

    async fn unpublished(&self) -> Result<Vec<Row>, Error> {
        let failed = "read what is to be published";
        let mut read = self.0.db.read().await.map_err(Error::db(failed))?;
        let sql =
            "SELECT c.id, t.tenant, c.closing, c.verdict, c.verdict_published, c.announced, c.asked
            FROM closing c JOIN tenant t ON t.id = c.tenant
            WHERE c.verdict_published = 0 OR c.announced = 0 ORDER BY c.id LIMIT ?";
        query(sql)
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
                Ok(verdict) => self.send(Body::Closed(verdict)).await?,
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
        };
        Normalizer::new(Config::default(), deps)
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
        assert_eq!(n.publish_some().await.unwrap(), 1);
        assert_eq!(n.publish_some().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_was_asked_for_meanwhile_is_published_again() {
        let dir = tempfile::tempdir().unwrap();
        let n = normalizer(dir.path()).await;
        sql(&n, TENANT).await;
        sql(&n, CLOSING).await;
        let rows = n.unpublished().await.unwrap();
        sql(
            &n,
            "UPDATE closing SET verdict_published = 0, asked = asked + 1",
        )
        .await;
        n.published(&rows).await.unwrap();
        let again = n.unpublished().await.unwrap();
        assert_eq!(again.len(), 1);
        n.published(&again).await.unwrap();
        assert!(n.unpublished().await.unwrap().is_empty());
    }
}
