//! Which exporter delivers to a sink, where several share a database: one for each tenant, or one for a sink that is
//! replaced as a whole.
//!
//! A lease only saves work that would be done twice. That a change takes effect once is the cursor's doing: every change
//! of a sink names the cursor that it starts from. So a process that was stopped and comes back does no harm.
//!
//! A system behind HTTP knows no cursor. There the holder begins no request after its [`Term`], and whoever takes over
//! waits until what was begun within the term has ended too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::db::{Db, query};
use runtime::error::Chain;
use runtime::{CancellationToken, Clock};
use tokio::time::Instant;

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

/// Until when the holder of a lease may begin what can't be taken back. By this process's own monotonic clock, which
/// goes on while the process is stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Term(Arc<Mutex<Option<Instant>>>);

impl Term {
    /// The end; `None` where nobody else can take over.
    pub(crate) fn end(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasts_until(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
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
        let lease = Lease::new(self, sink, tenant, Duration::ZERO);
        self.under(&lease, stop, work).await
    }

    /// The same for work that can't be taken back: what it begins within the term that it is given ends `after` it at
    /// the latest, and nobody takes over before that.
    pub(crate) async fn within<T, F: Future<Output = T>>(
        &self,
        sink: &str,
        tenant: &str,
        after: Duration,
        stop: &CancellationToken,
        work: impl FnOnce(Term) -> F,
    ) -> Result<Turn<T>, Error> {
        let lease = Lease::new(self, sink, tenant, after);
        // Nothing of the work happens before it is polled, which is under the lease.
        self.under(&lease, stop, work(lease.term.clone())).await
    }

    async fn under<T>(
        &self,
        lease: &Lease<'_>,
        stop: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Result<Turn<T>, Error> {
        if !self.shared() {
            return Ok(Turn::Done(work.await));
        }
        if !lease.take().await? {
            return Ok(Turn::Elsewhere);
        }
        let done = tokio::select! {
            biased;
            done = work => Turn::Done(done),
            () = stop.cancelled() => Turn::Elsewhere,
            () = lease.beat() => Turn::Elsewhere,
        };
        // What was begun and dropped may still be under way: the lease then ends by itself.
        if matches!(done, Turn::Elsewhere) && !lease.after.is_zero() {
            return Ok(done);
        }
        // Where this fails the lease ends by itself.
        if let Err(e) = self.release(lease.sink, lease.tenant).await {
            let (sink, tenant) = (lease.sink, lease.tenant);
            tracing::debug!(sink, tenant, error = %Chain(&e), "a lease was not given back");
        }
        Ok(done)
    }

    async fn release(&self, sink: &str, tenant: &str) -> Result<(), Error> {
        let mut write = self.db.write().await.map_err(Error::Store)?;
        let sql = "DELETE FROM sink_lease WHERE sink = ? AND tenant_id = ? AND holder = ?";
        let release = query(sql).bind(sink).bind(tenant).bind(&self.holder);
        release.execute(&mut write).await.map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }
}

/// A lease on a tenant of a sink.
struct Lease<'a> {
    leases: &'a Leases,
    sink: &'a str,
    tenant: &'a str,
    /// How long what was begun within the term may go on.
    after: Duration,
    term: Term,
}

impl<'a> Lease<'a> {
    fn new(leases: &'a Leases, sink: &'a str, tenant: &'a str, after: Duration) -> Self {
        Lease {
            leases,
            sink,
            tenant,
            after,
            term: Term::default(),
        }
    }

    /// Takes the lease or prolongs it; false while another exporter's lasts.
    async fn take(&self) -> Result<bool, Error> {
        let Leases {
            db,
            holder,
            clock,
            lasts,
        } = self.leases;
        // Before the database looks at its clock, so that the term ends no later than the lease.
        let end = Instant::now() + *lasts;
        let mut write = db.write().await.map_err(Error::Store)?;
        let now = write.now(clock.micros()).await.map_err(Error::Store)?;
        let whole = u64::try_from((*lasts + self.after).as_micros()).unwrap_or(u64::MAX);
        let sql = "INSERT INTO sink_lease (sink, tenant_id, holder, until) VALUES (?, ?, ?, ?)
            ON CONFLICT (sink, tenant_id) DO UPDATE SET holder = excluded.holder, until = excluded.until
            WHERE sink_lease.holder = excluded.holder OR sink_lease.until <= ?";
        let taken = query(sql)
            .bind(self.sink)
            .bind(self.tenant)
            .bind(holder)
            .bind(now.saturating_add(whole))
            .bind(now)
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)?;
        if taken == 1 {
            self.term.lasts_until(end);
        }
        Ok(taken == 1)
    }

    /// Prolongs the lease; returns when it was lost.
    async fn beat(&self) {
        let (sink, tenant) = (self.sink, self.tenant);
        loop {
            tokio::time::sleep(self.leases.lasts / 3).await;
            match self.take().await {
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
}
