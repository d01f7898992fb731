//! Publishes verdicts and closings from the closings table until the queue has confirmed them.

use prost::Message as _;
use proto::message::Body;
use proto::pages::v1::{ClosingAnnounced, RunClosed};
use runtime::CancellationToken;
use runtime::error::Chain;

use crate::Normalizer;
use crate::error::Error;
use crate::store::row;
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
        let failed = "read what is to be published";
        let mut read = self.0.db.read().await.map_err(Error::db(failed))?;
        let sql = "SELECT c.id, t.tenant, c.closing, c.verdict, c.verdict_published, c.announced
            FROM closing c JOIN tenant t ON t.id = c.tenant
            WHERE c.verdict_published = 0 OR c.announced = 0 ORDER BY c.id LIMIT ?";
        let rows: Vec<Row> = sqlx::query_as(sql)
            .bind(BATCH)
            .fetch_all(&mut *read)
            .await
            .map_err(Error::db(failed))?;
        drop(read);
        futures::future::try_join_all(rows.iter().map(|row| self.publish(row))).await?;
        if !rows.is_empty() {
            let failed = "note what was published";
            let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
            let mut w = self.0.db.write().await.map_err(Error::db(failed))?;
            let sql = "UPDATE closing SET verdict_published = 1, announced = 1 WHERE id IN (SELECT value FROM json_each(?))";
            let q = sqlx::query(sql).bind(serde_json::to_string(&ids).unwrap_or_default());
            q.execute(&mut *w).await.map_err(Error::db(failed))?;
            w.commit().await.map_err(Error::db(failed))?;
        }
        Ok(rows.len())
    }

    async fn publish(&self, row: &Row) -> Result<(), Error> {
        if !row.verdict_published {
            let verdict = RunClosed::decode(&row.verdict[..])
                .map_err(|_| Error::Damaged { what: "verdict" })?;
            self.send(Body::Closed(verdict)).await?;
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
