//! What waits in the ledger, for the metrics. Every normalizer shows the same, but for what it fails at itself.

use std::time::Duration;

use proto::ids::Timestamp;
use runtime::CancellationToken;
use runtime::db::query;
use runtime::error::code;
use runtime::metrics::ledger as metrics;
use runtime::metrics::tenants::watch;

use crate::error::Error;
use crate::ledger::absence::State;
use crate::{Normalizer, feed::unsigned};

type Values = Vec<(String, f64)>;

impl Normalizer {
    /// Shows it until `stop`.
    pub(crate) async fn show(&self, stop: CancellationToken) {
        watch(&stop, || async {
            // What fails here fails elsewhere too, where it is said.
            if let Ok((pending, held)) = self.waiting().await {
                metrics::waiting(pending, held);
            }
            if let Ok(failing) = self.failing().await {
                metrics::failing(failing);
            }
        })
        .await;
    }

    /// How long the oldest seals of tenants wait, in seconds, and how many removals of theirs are held.
    async fn waiting(&self) -> Result<(Values, Values), Error> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        // A run's number is when it began, or more.
        let sql = "SELECT t.tenant, min(s.run) FROM inbox_seal s JOIN tenant t ON t.id = s.tenant GROUP BY t.tenant";
        let seals: Vec<(String, i64)> = query(sql)
            .fetch_all(&mut read)
            .await
            .map_err(Error::db(READ))?;
        let sql = "SELECT t.tenant, count(*) FROM suspect s JOIN tenant t ON t.id = s.tenant WHERE s.state = ?
            GROUP BY t.tenant";
        let held = query(sql).bind(State::Held.to_db());
        let held: Vec<(String, i64)> = held.fetch_all(&mut read).await.map_err(Error::db(READ))?;
        let now = self.now();
        let waits = |run| now.since(Timestamp(unsigned(run)).min(now));
        let pending = seals
            .into_iter()
            .map(|(tenant, run)| (tenant, Duration::as_secs_f64(&waits(run))));
        let held = held
            .into_iter()
            .map(|(tenant, n)| (tenant, unsigned(n) as f64));
        Ok((pending.collect(), held.collect()))
    }

    /// Tenants of which this process can't apply a run, with the code of the problem.
    async fn failing(&self) -> Result<Vec<(String, String)>, Error> {
        let failing = self.troubles(|t| t.all());
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let mut named = Vec::new();
        for (tenant, problem) in failing {
            let q = query("SELECT tenant FROM tenant WHERE id = ?").bind(tenant);
            let tenant: Option<String> =
                q.fetch_optional(&mut read).await.map_err(Error::db(READ))?;
            named.extend(tenant.map(|tenant| (tenant, code(&problem).to_owned())));
        }
        Ok(named)
    }
}

const READ: &str = "look at what waits";
