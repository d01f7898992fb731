//! Which exporter delivers to a sink, where several share a database: one for each tenant, or one for a sink that is
//! replaced as a whole.
//!
//! A lease only saves work that would be done twice. That a change takes effect once is the cursor's doing: every change
//! of a sink names the cursor that it starts from. So a process that was stopped and comes back does no harm.

use std::time::Duration;

use runtime::db::{Db, query};
use runtime::error::Chain;
use runtime::{CancellationToken, Clock};

use crate::error::Error;

/// The leases of one exporter.
#[derive(Clone)]
pub(crate) struct Leases {
    pub db: Db,
    /// Names this process.
    pub holder: String,
    pub clock: Clock,
    /// Without a heartbeat, another exporter takes over after this time.
    pub lasts: Duration,
}

/// What became of work under a lease.
pub(crate) enum Turn<T> {
    /// It was done.
    Done(T),
    /// Another exporter is at it.
    Elsewhere,
}

impl Leases {
    /// Whether other exporters may be at work.
    pub(crate) fn shared(&self) -> bool {
        self.db.is_shared()
    }

    /// Works while the lease lasts. Work under a lease that is lost is dropped where it stands.
    pub(crate) async fn during<T>(
        &self,
        sink: &str,
        tenant: &str,
        stop: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Result<Turn<T>, Error> {
        if !self.shared() {
            return Ok(Turn::Done(work.await));
        }
        if !self.take(sink, tenant).await? {
            return Ok(Turn::Elsewhere);
        }
        let done = tokio::select! {
            biased;
            done = work => Turn::Done(done),
            () = stop.cancelled() => Turn::Elsewhere,
            () = self.beat(sink, tenant) => Turn::Elsewhere,
        };
        // Where this fails the lease ends by itself.
        if let Err(e) = self.release(sink, tenant).await {
            tracing::debug!(sink, tenant, error = %Chain(&e), "a lease was not given back");
        }
        Ok(done)
    }

    /// Takes the lease or prolongs it; false while another exporter's lasts.
    async fn take(&self, sink: &str, tenant: &str) -> Result<bool, Error> {
        let mut write = self.db.write().await.map_err(Error::Store)?;
        let now = write.now(self.clock.micros()).await.map_err(Error::Store)?;
        let lasts = u64::try_from(self.lasts.as_micros()).unwrap_or(u64::MAX);
        let sql = "INSERT INTO sink_lease (sink, tenant_id, holder, until) VALUES (?, ?, ?, ?)
            ON CONFLICT (sink, tenant_id) DO UPDATE SET holder = excluded.holder, until = excluded.until
            WHERE sink_lease.holder = excluded.holder OR sink_lease.until <= ?";
        let taken = query(sql)
            .bind(sink)
            .bind(tenant)
            .bind(&self.holder)
            .bind(now.saturating_add(lasts))
            .bind(now)
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)?;
        Ok(taken == 1)
    }

    /// Prolongs the lease; returns when it was lost.
    async fn beat(&self, sink: &str, tenant: &str) {
        loop {
            tokio::time::sleep(self.lasts / 3).await;
            match self.take(sink, tenant).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(sink, tenant, "another exporter took over; this one lets go");
                    return;
                }
                Err(e) => {
                    tracing::warn!(sink, tenant, error = %Chain(&e), "a lease was not prolonged");
                }
            }
        }
    }

    async fn release(&self, sink: &str, tenant: &str) -> Result<(), Error> {
        let mut write = self.db.write().await.map_err(Error::Store)?;
        let sql = "DELETE FROM sink_lease WHERE sink = ? AND tenant_id = ? AND holder = ?";
        let release = query(sql).bind(sink).bind(tenant).bind(&self.holder);
        release.execute(&mut write).await.map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }
}
