//! Applies sealed runs as soon as their pages are there: of a tenant one at a time, and with SQLite, which has one
//! writer, of all.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use prost::Message as _;
use proto::ids::RunId;
use proto::pages::v1::RunSealed;
use proto::rules::{Rule, on};
use runtime::CancellationToken;
use runtime::db::query;
use runtime::error::Chain;
use runtime::retry::{Backoff, until};
use runtime::trace;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::Admission;
use crate::ledger::apply::{Waiting, apply};
use crate::ledger::close;
use crate::ledger::pages::Named;
use crate::reconcile::kept;
use crate::reconcile::times::{PRODUCTS, USERS};
use crate::trouble::{Failure, Of, Troubles};
use crate::{Normalizer, store};

/// Delays while the database or the queue fails.
pub(crate) const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(30),
};

/// What a process that ended has left behind is looked for after this time, where there may be others.
const LOOK_EVERY: Duration = Duration::from_secs(15);

impl Normalizer {
    /// Something of this dataset arrived; what is then applied belongs to the trace in which this is called.
    pub(crate) fn arrived(&self, tenant: i64, dataset: &str) {
        let mut arrived = self
            .0
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = arrived.entry((tenant, dataset.to_owned())).or_default();
        *known = trace::current().or_else(|| known.take());
        self.0.apply.notify_one();
    }

    /// The next dataset of a tenant that isn't busy.
    fn next_arrived(&self, busy: &BTreeSet<i64>) -> Option<(Of, Option<String>)> {
        let mut arrived = self
            .0
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let next = arrived.keys().find(|of| !busy.contains(&of.0)).cloned()?;
        arrived.remove_entry(&next)
    }

    /// Works with what can't be applied at present.
    pub(crate) fn troubles<T>(&self, work: impl FnOnce(&mut Troubles) -> T) -> T {
        work(
            &mut self
                .0
                .troubles
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Applies runs until `stop`; what is under way then is finished.
    pub(crate) async fn work(&self, stop: CancellationToken) {
        // Failures in a row that stop everybody.
        let mut failures = 0;
        let mut begun = false;
        // When to look for what other processes left behind.
        let mut look = None;
        while !stop.is_cancelled() {
            if look.is_some_and(|at| at <= Instant::now()) {
                begun = false;
            }
            let worked = match begun {
                true => self.apply_arrived(&stop).await,
                false => self.find_waiting().await.map(|()| begun = true),
            };
            if worked.is_ok() && self.0.db.is_shared() && look.is_none_or(|at| at <= Instant::now())
            {
                look = Some(Instant::now() + LOOK_EVERY);
            }
            match worked {
                Ok(()) if begun && failures == 0 => {
                    let next = self.troubles(|t| t.next());
                    tokio::select! {
                        () = self.0.apply.notified() => {}
                        () = until(next) => {}
                        () = until(look) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok(()) => failures = 0,
                Err(e) => {
                    tracing::error!(error = %Chain(&e), "no run can be applied at present");
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF.delay(failures, 0.5)) => {}
                        () = stop.cancelled() => {}
                    }
                    failures += 1;
                }
            }
        }
    }

    /// After a start, and after another process may have ended: what waits may have become whole before.
    async fn find_waiting(&self) -> Result<(), Error> {
        let mut read = self
            .0
            .db
            .read()
            .await
            .map_err(Error::db("open the ledger"))?;
        let q = query("SELECT DISTINCT tenant, dataset FROM inbox_seal");
        let waiting: Vec<(i64, String)> = q
            .fetch_all(&mut read)
            .await
            .map_err(Error::db("look for seals"))?;
        for (tenant, dataset) in waiting {
            self.arrived(tenant, &dataset);
        }
        drop(read);
        self.show_unreconciled().await;
        Ok(())
    }

    /// Applies what is whole, one dataset of a tenant after the other. One whose run fails is put aside; only what
    /// fails because of the machine stops the others too.
    async fn apply_arrived(&self, stop: &CancellationToken) -> Result<(), Error> {
        for (tenant, dataset) in self.troubles(|t| t.due(Instant::now())) {
            self.arrived(tenant, &dataset);
        }
        let most = match self.0.db.is_shared() {
            true => self.0.config.apply_concurrency.max(1),
            false => 1,
        };
        let (mut busy, mut work) = (BTreeSet::new(), FuturesUnordered::new());
        let mut result = Ok(());
        loop {
            while work.len() < most
                && result.is_ok()
                && !stop.is_cancelled()
                && let Some((of, cause)) = self.next_arrived(&busy)
            {
                if self.troubles(|t| t.waits(&of, Instant::now())) {
                    continue; // it comes again when its delay is over
                }
                busy.insert(of.0);
                work.push(async move {
                    let done = loop {
                        match self.apply_next(&of, cause.as_deref()).await {
                            Ok(true) if !stop.is_cancelled() => {}
                            done => break done.map(drop),
                        }
                    };
                    (of.0, done)
                });
            }
            tokio::select! {
                done = work.next() => match done {
                    Some((tenant, done)) => {
                        busy.remove(&tenant);
                        result = result.and(done);
                    }
                    None => return result,
                },
                () = self.0.apply.notified(), if !work.is_empty() && work.len() < most => {}
            }
        }
    }

    /// Closes the oldest run of a dataset that waits for nothing, and says whether to look for another one.
    async fn apply_next(&self, of: &Of, cause: Option<&str>) -> Result<bool, Error> {
        let (waiting, failed) = match self.whole(of.0, &of.1).await {
            Ok(None) => {
                self.troubles(|t| t.succeeded(of));
                return Ok(false);
            }
            Ok(Some(waiting)) => {
                let span = trace::step("apply", &waiting.seal.tenant_id, &of.1);
                trace::child_of(&span, cause);
                trace::link_to(&span, cause);
                let applied = self.apply(&of.1, &waiting).instrument(span.clone()).await;
                let failed = applied.err();
                let code = failed.as_ref().map(|e| e.problem().code);
                trace::ended(&span, code.as_deref());
                (Some(waiting), failed)
            }
            Err(e) => (None, Some(e)),
        };
        let Some(e) = failed else {
            self.troubles(|t| t.succeeded(of));
            return Ok(true);
        };
        if e.is_lock_timeout() {
            // Another process works for the tenant, and takes its time.
            self.arrived(of.0, &of.1);
            return Ok(false);
        }
        let own = !e.is_of_the_machine();
        let failure = Failure {
            seal: waiting.as_ref().map(|w| (w.seal.run, w.seal.attempt)),
            own,
            reason: Chain(&e).to_string(),
            problem: e.problem().to_string(),
        };
        let (tenant, run) = (of.0, waiting.as_ref().map(|w| w.seal.run));
        tracing::error!(
            tenant,
            dataset = of.1,
            run,
            error = failure.reason,
            "a run could not be applied"
        );
        let give_up = self.troubles(|t| t.failed(of, failure, Instant::now()));
        match waiting {
            Some(waiting) if give_up => {
                self.give_up(&of.1, waiting).await?;
                self.troubles(|t| t.succeeded(of));
                Ok(true)
            }
            _ if own => Ok(false),
            _ => Err(e),
        }
    }

    async fn apply(&self, dataset: &str, waiting: &Waiting) -> Result<(), Error> {
        if waiting.damaged {
            return Err(Error::Damaged {
                what: "seal of the inbox",
            });
        }
        self.close(dataset, waiting).await
    }

    async fn close(&self, dataset: &str, waiting: &Waiting) -> Result<(), Error> {
        let mut w = self
            .0
            .db
            .write()
            .await
            .map_err(Error::db("begin to apply"))?;
        let given = (&self.0.config, &self.0.names, &self.0.keys);
        let applied = apply(&mut w, given, waiting, self.now()).await?;
        w.commit().await.map_err(Error::db("apply a run"))?;
        self.to_publish(applied.closing);
        let settled = applied.settled;
        if applied.admission == Some(Admission::Apply) && [USERS, PRODUCTS].contains(&dataset) {
            self.show_unreconciled().await;
        }
        let seal = &waiting.seal;
        match applied.admission {
            Some(admission) => {
                let outcome = match admission {
                    Admission::Drop => "old",
                    Admission::NeedsFull => "needs full",
                    Admission::Apply => "applied",
                };
                runtime::metrics::ledger::run_closed(dataset, outcome, seal.objects, settled);
                tracing::info!(tenant = %seal.tenant_id, dataset, run = seal.run, ?admission, "a run is closed");
            }
            None => {
                tracing::debug!(tenant = %seal.tenant_id, dataset, run = seal.run, "another process has closed the run");
            }
        }
        Ok(())
    }

    /// Shows how many positions are not reconciled; what fails here has stopped nothing.
    async fn show_unreconciled(&self) {
        if let Ok(mut read) = self.0.db.read().await
            && let Ok(positions) = kept::unreconciled(&mut read).await
        {
            runtime::metrics::ledger::unreconciled(positions);
        }
    }

    /// Closes a run that can't be applied as if all its pages were gaps: then it is read again.
    async fn give_up(&self, dataset: &str, waiting: Waiting) -> Result<(), Error> {
        let waiting = Waiting {
            lost: true,
            ..waiting
        };
        let (tenant, seal) = (waiting.tenant, &waiting.seal);
        tracing::error!(tenant = %seal.tenant_id, dataset, run = seal.run, "a run is given up and its pages are dropped; it is read again");
        let Err(e) = self.close(dataset, &waiting).await else {
            return Ok(());
        };
        if e.is_of_the_machine() {
            return Err(e);
        }
        // Not even that: without a verdict the collector gives it up too, later.
        tracing::error!(tenant = %seal.tenant_id, dataset, run = seal.run, error = %Chain(&e), "the run gets no verdict");
        let mut w = self.0.db.write().await.map_err(Error::db(GIVE_UP))?;
        close::clear(&mut w, tenant, seal, true).await?;
        w.commit().await.map_err(Error::db(GIVE_UP))
    }

    async fn whole(&self, tenant: i64, dataset: &str) -> Result<Option<Waiting>, Error> {
        let mut read = self
            .0
            .db
            .read()
            .await
            .map_err(Error::db("open the ledger"))?;
        let sql = "SELECT run, attempt, seal, dead FROM inbox_seal WHERE tenant = ? AND dataset = ? ORDER BY run, attempt";
        let q = query(sql).bind(tenant).bind(dataset);
        let seals: Vec<(i64, i64, Vec<u8>, bool)> = q
            .fetch_all(&mut read)
            .await
            .map_err(Error::db("look for seals"))?;
        let applied = RunId::from_db(store::applied(&mut read, tenant, dataset).await?);
        for (run, attempt, seal, dead) in seals {
            let (seal, damaged) = match RunSealed::decode(&seal[..]) {
                Ok(seal) => (seal, false),
                Err(_) => (self.nameless(tenant, dataset, (run, attempt)).await?, true),
            };
            let old = RunId(seal.run) <= applied && on(Rule::Ascending);
            let whole = dead
                || old
                || damaged
                || Named::of(&seal).all_there(&mut read, tenant, &seal).await?;
            if whole {
                return Ok(Some(Waiting {
                    tenant,
                    seal,
                    dead,
                    damaged: damaged && !old,
                    lost: damaged,
                }));
            }
        }
        Ok(None)
    }

    /// What is still known of a seal that can't be read.
    async fn nameless(
        &self,
        tenant: i64,
        dataset: &str,
        (run, attempt): (i64, i64),
    ) -> Result<RunSealed, Error> {
        let failed = "look for a tenant";
        let mut read = self.0.db.read().await.map_err(Error::db(failed))?;
        let (tenant_id, pool): (String, String) =
            query("SELECT tenant, pool FROM tenant WHERE id = ?")
                .bind(tenant)
                .fetch_one(&mut read)
                .await
                .map_err(Error::db(failed))?;
        Ok(RunSealed {
            tenant_id,
            dataset: dataset.to_owned(),
            run: unsigned(run),
            attempt: unsigned(attempt),
            pool,
            ..RunSealed::default()
        })
    }
}

const GIVE_UP: &str = "give a run up";

#[cfg(test)]
mod tests;
