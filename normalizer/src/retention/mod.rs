//! Removes what is past its time, tenant by tenant, in transactions that are over in moments.
//!
//! docs/retention.md is the table of it: what is kept, for how long, and what is kept longer because somebody still
//! needs it.

mod steps;

use std::time::Duration;

use runtime::CancellationToken;
use runtime::db::query;
use runtime::error::Chain;

use crate::Normalizer;
use crate::error::Error;
use crate::ledger::pages::number;
use steps::{Limits, STEPS};

/// How often is looked who is due, and whether there is a new key. Few look at the same time: with ten thousand tenants
/// it is seven a minute.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const READ: &str = "look for tenants with rows past their time";

impl Normalizer {
    /// Removes what is past its time, until `stop`.
    pub(crate) async fn keep_house(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Some(Err(problem)) = self.0.at_rest.as_ref().map(|ring| ring.refresh()) {
                tracing::warn!(%problem, "the keys in use stay as they are");
            }
            if let Err(e) = self.sweep(&stop).await {
                tracing::warn!(error = %Chain(&e), "what is past its time could not be removed; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Sweeps every tenant that is due.
    async fn sweep(&self, stop: &CancellationToken) -> Result<(), Error> {
        let every = u64::from(self.0.config.retention.every_hours.get()) * 3_600_000_000;
        let due = number(self.now().0.saturating_sub(every));
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let q = query("SELECT id, swept_at FROM tenant WHERE swept_at <= ? ORDER BY swept_at, id");
        let tenants: Vec<(i64, i64)> = q
            .bind(due)
            .fetch_all(&mut read)
            .await
            .map_err(Error::db(READ))?;
        drop(read);
        for (tenant, swept_at) in tenants {
            if stop.is_cancelled() {
                break;
            }
            // One that is new has nothing yet, and the next ones come a period later.
            if swept_at == 0 || self.sweep_one(tenant, stop).await? {
                self.swept(tenant).await?;
            }
        }
        Ok(())
    }

    /// Sweeps a tenant. False where it is to be gone on with later.
    async fn sweep_one(&self, tenant: i64, stop: &CancellationToken) -> Result<bool, Error> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let retention = &self.0.config.retention;
        let limits = Limits::of(&mut read, tenant, retention, self.now()).await?;
        drop(read);
        for step in STEPS {
            let mut removed = 0;
            let done = loop {
                if stop.is_cancelled() {
                    break false;
                }
                match self.chunk(tenant, step, &limits).await? {
                    // Somebody applies a run of it, or sweeps it himself.
                    None => break false,
                    Some(0) => break true,
                    Some(n) => removed += n,
                }
            };
            if removed > 0 {
                runtime::metrics::ledger::expired(step.table, removed);
                tracing::info!(
                    tenant,
                    table = step.table,
                    removed,
                    "rows past their time were removed"
                );
            }
            if !done {
                return Ok(false);
            }
        }
        self.forget_sources(tenant, &limits, stop).await
    }

    async fn swept(&self, tenant: i64) -> Result<(), Error> {
        let failed = "note that a tenant was swept";
        let mut w = self.0.db.write().await.map_err(Error::db(failed))?;
        let q = query("UPDATE tenant SET swept_at = ? WHERE id = ?");
        let q = q.bind(number(self.now().0)).bind(tenant);
        q.execute(&mut w).await.map_err(Error::db(failed))?;
        w.commit().await.map_err(Error::db(failed))
    }
}
