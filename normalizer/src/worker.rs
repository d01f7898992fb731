//! Applies sealed runs as soon as their pages are there. One at a time: SQLite has one writer.

use std::sync::PoisonError;
use std::time::Duration;

use prost::Message as _;
use proto::ids::RunId;
use proto::pages::v1::RunSealed;
use proto::rules::{Rule, on};
use runtime::CancellationToken;
use runtime::error::Chain;
use runtime::retry::Backoff;

use crate::error::Error;
use crate::ledger::apply::{Waiting, apply};
use crate::ledger::pages::Named;
use crate::{Normalizer, store};

/// Delays while the database or the queue fails.
pub(crate) const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(30),
};

impl Normalizer {
    /// Something of this dataset arrived.
    pub(crate) fn arrived(&self, tenant: i64, dataset: &str) {
        let mut arrived = self
            .0
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        arrived.insert((tenant, dataset.to_owned()));
        self.0.apply.notify_one();
    }

    fn next_arrived(&self) -> Option<(i64, String)> {
        self.0
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_first()
    }

    /// Applies runs until `stop`; what is under way then is finished.
    pub(crate) async fn work(&self, stop: CancellationToken) {
        let mut failures = 0;
        let mut begun = false;
        while !stop.is_cancelled() {
            let worked = match begun {
                true => self.apply_arrived(&stop).await,
                false => self.find_waiting().await.map(|()| begun = true),
            };
            match worked {
                Ok(()) if begun && failures == 0 => {
                    tokio::select! {
                        () = self.0.apply.notified() => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok(()) => failures = 0,
                Err(e) => {
                    tracing::error!(error = %Chain(&e), "a run could not be applied");
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF.delay(failures, 0.5)) => {}
                        () = stop.cancelled() => {}
                    }
                    failures += 1;
                }
            }
        }
    }

    /// After a start: what waits may have become whole before.
    async fn find_waiting(&self) -> Result<(), Error> {
        let mut read = self
            .0
            .db
            .read()
            .await
            .map_err(Error::db("open the ledger"))?;
        let q = sqlx::query_as("SELECT DISTINCT tenant, dataset FROM inbox_seal");
        let waiting: Vec<(i64, String)> = q
            .fetch_all(&mut *read)
            .await
            .map_err(Error::db("look for seals"))?;
        for (tenant, dataset) in waiting {
            self.arrived(tenant, &dataset);
        }
        Ok(())
    }

    async fn apply_arrived(&self, stop: &CancellationToken) -> Result<(), Error> {
        while let Some((tenant, dataset)) = self.next_arrived() {
            loop {
                match self.apply_next(tenant, &dataset).await {
                    Ok(true) if !stop.is_cancelled() => {}
                    Ok(_) => break,
                    Err(e) => {
                        self.arrived(tenant, &dataset);
                        return Err(e);
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes the oldest run of a dataset that waits for nothing, and says whether there was one.
    async fn apply_next(&self, tenant: i64, dataset: &str) -> Result<bool, Error> {
        let Some(waiting) = self.whole(tenant, dataset).await? else {
            return Ok(false);
        };
        let mut w = self
            .0
            .db
            .write()
            .await
            .map_err(Error::db("begin to apply"))?;
        let admission = apply(&mut w, &self.0.config, &waiting, self.now()).await?;
        w.commit().await.map_err(Error::db("apply a run"))?;
        self.0.publish.notify_one();
        let seal = &waiting.seal;
        tracing::info!(tenant = %seal.tenant_id, dataset, run = seal.run, ?admission, "a run is closed");
        Ok(true)
    }

    async fn whole(&self, tenant: i64, dataset: &str) -> Result<Option<Waiting>, Error> {
        let mut read = self
            .0
            .db
            .read()
            .await
            .map_err(Error::db("open the ledger"))?;
        let sql = "SELECT seal, dead FROM inbox_seal WHERE tenant = ? AND dataset = ? ORDER BY run, attempt";
        let q = sqlx::query_as(sql).bind(tenant).bind(dataset);
        let seals: Vec<(Vec<u8>, bool)> = q
            .fetch_all(&mut *read)
            .await
            .map_err(Error::db("look for seals"))?;
        let applied = RunId::from_db(store::applied(&mut read, tenant, dataset).await?);
        for (seal, dead) in seals {
            let seal = RunSealed::decode(&seal[..]).map_err(|_| Error::Damaged {
                what: "seal of the inbox",
            })?;
            let old = RunId(seal.run) <= applied && on(Rule::Ascending);
            if dead || old || Named::of(&seal).all_there(&mut read, tenant, &seal).await? {
                return Ok(Some(Waiting { tenant, seal, dead }));
            }
        }
        Ok(None)
    }
}
