//! Doing harm at the moment when it can do most, and undoing it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use graph_sim::Sim;
use proto::admin::v1::MakeDueRequest;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use servers::Proxy;
use tokio::time::{Instant, sleep};

use super::check::Presence;
use super::plan::{Fault, STAGES, Stage, Strike};
use super::tally::Tally;
use crate::cluster::{Cluster, Servers};

/// How long a strike waits for work in flight.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a collector may take to go on from a restored database: the leases in it end first.
const RESTORED: Duration = Duration::from_secs(15);
/// How long a stopped process stays stopped: longer than its leases.
const STOPPED: Duration = Duration::from_secs(4);
/// How long connections are refused after they were cut.
const CUT: Duration = Duration::from_millis(400);

/// Nothing of the users is being read, and nothing waits for a verdict.
const CLOSED: &str = "SELECT NOT EXISTS (SELECT 1 FROM dataset WHERE dataset = 'users' AND
    (open IS NOT NULL OR sealed IS NOT NULL OR schedule LIKE '%\"forced\":true%'))";

/// A round while it goes on.
pub struct Field<'a> {
    /// RabbitMQ and PostgreSQL.
    pub servers: &'a Servers,
    /// The installation.
    pub cluster: Cluster,
    /// Graph.
    pub sim: Sim,
    /// What stands before Graph.
    pub graph: Proxy,
    /// A dump of the ledger, taken earlier in the round.
    pub dump: Option<Vec<u8>>,
    /// Who was there all the time.
    pub presence: Presence,
}

impl Field<'_> {
    /// Waits until the stage has work in flight, strikes, and undoes what doesn't undo itself.
    pub async fn strike(&mut self, strike: Strike, tally: &mut Tally) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.at_work(strike.stage).await && Instant::now() < deadline {
            sleep(Duration::from_millis(15)).await;
        }
        sleep(Duration::from_millis(strike.after)).await;
        let mut hit = Vec::new();
        for stage in STAGES {
            let struck = match strike.fault {
                Fault::Kill | Fault::Stop | Fault::Cut => stage == strike.stage,
                _ => true,
            };
            if struck && self.at_work(stage).await {
                hit.push(stage);
            }
        }
        self.act(strike)
            .await
            .with_context(|| format!("{strike:?}"))?;
        hit.into_iter()
            .for_each(|stage| tally.hit(strike.fault, stage));
        Ok(())
    }

    async fn act(&mut self, strike: Strike) -> Result<()> {
        let service = strike.stage.service();
        match strike.fault {
            Fault::Kill => {
                let replicas = self.cluster.of(service);
                let n = strike.victim % replicas.len();
                replicas[n].kill();
                sleep(Duration::from_millis(200)).await;
                replicas[n].start()
            }
            Fault::Stop => {
                let replicas = self.cluster.of(service);
                let n = strike.victim % replicas.len();
                replicas[n].signal("STOP");
                sleep(STOPPED).await;
                if strike.stage == Stage::Deliver {
                    // It shall come back with a batch that another one has delivered meanwhile.
                    self.delivered(PATIENCE).await;
                }
                self.cluster.of(service)[n].signal("CONT");
                Ok(())
            }
            Fault::Cut => {
                let own = self.cluster.proxies[service].iter();
                let graph = (strike.stage == Stage::Read).then_some(&self.graph);
                let proxies: Vec<&Proxy> = own.chain(graph).collect();
                for proxy in &proxies {
                    proxy.refuse(true);
                    proxy.cut();
                }
                sleep(CUT).await;
                proxies.iter().for_each(|p| p.refuse(false));
                Ok(())
            }
            Fault::QueueRestart => self.servers.rabbit.restart(),
            Fault::QueuesDeleted => {
                self.servers.delete_queues()?;
                sleep(CUT).await;
                self.servers.declare()
            }
            Fault::DatabaseRestart => self.servers.postgres.restart(),
            Fault::LedgerRestored => {
                let Some(ledger) = &self.dump else {
                    return Ok(());
                };
                restore(self.servers, &mut self.cluster, "normalizer", ledger)
            }
            Fault::CollectorRestored => self.collector_restored().await,
        }
    }

    /// The worst moment for it: a run goes back to before it had read its delta, while the verdict on its seal is under way
    /// and the tenant changes. So the same run is sealed twice, with different pages, and the ledger takes the first ones.
    async fn collector_restored(&mut self) -> Result<()> {
        self.waits(RESTORED, CLOSED).await;
        self.a_day_passes();
        self.sim.fault(graph_sim::Fault {
            path: Some("/users/delta".to_owned()),
            delay_ms: Some(u64::try_from(PATIENCE.as_millis())?),
            ..graph_sim::Fault::default()
        });
        self.make_due().await?;
        let reading =
            "SELECT NOT EXISTS (SELECT 1 FROM dataset WHERE dataset = 'users' AND (open IS NULL
            OR open NOT LIKE '%\"Delta\"%'))";
        self.waits(PATIENCE, reading).await;
        let database = self.cluster.database("collector");
        let dump = self.servers.postgres.dump(database);
        self.hold("normalizer", "STOP");
        self.sim.clear_faults();
        let sealed =
            "SELECT NOT EXISTS (SELECT 1 FROM dataset WHERE dataset = 'users' AND (open IS NOT NULL
            OR sealed IS NULL OR sealed NOT LIKE '%\"published\":true%'))";
        self.waits(RESTORED, sealed).await;
        self.a_day_passes();
        let restored = restore(self.servers, &mut self.cluster, "collector", &dump?);
        self.waits(RESTORED, sealed).await;
        self.hold("normalizer", "CONT");
        restored
    }

    /// Waits until the sinks have what the ledger has, for a while.
    async fn delivered(&self, within: Duration) {
        let deadline = Instant::now() + within;
        while self.at_work(Stage::Deliver).await && Instant::now() < deadline {
            sleep(Duration::from_millis(15)).await;
        }
    }

    fn hold(&mut self, service: &str, signal: &str) {
        self.cluster
            .of(service)
            .iter()
            .for_each(|r| r.signal(signal));
    }

    /// Dumps the ledger.
    pub fn dump(&mut self) -> Result<()> {
        self.dump = Some(
            self.servers
                .postgres
                .dump(self.cluster.database("normalizer"))?,
        );
        Ok(())
    }

    /// Lets a day of changes happen in the tenants.
    pub fn a_day_passes(&mut self) {
        self.sim.advance(1);
        self.presence.look(&self.sim);
    }

    /// What no delta names (a licence's state, for one) comes with the next weekly reading: that is due now.
    pub async fn next_week(&self) -> bool {
        let sql = "UPDATE dataset SET cursor = jsonb_set(cursor::jsonb, '{last_full}', '1')::text";
        let collector = self.cluster.pool("collector");
        sqlx::query(sql).execute(collector).await.is_ok()
    }

    /// Reads what has just changed, and everything right after that: from replicas that don't know it yet.
    pub async fn changes_then_everything(&self) -> Result<()> {
        self.waits(PATIENCE, CLOSED).await;
        self.make_due().await?;
        self.waits(PATIENCE, CLOSED).await;
        self.next_week().await;
        self.make_due().await
    }

    /// Asks for everything to be read now; whichever collector answers.
    pub async fn make_due(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        for n in 0.. {
            let clients = self.cluster.clients(n)?;
            let mut collector = CollectorAdminClient::new(clients.collector);
            let asked = tokio::time::timeout(
                Duration::from_secs(5),
                collector.make_due(MakeDueRequest::default()),
            )
            .await;
            match asked {
                Ok(Ok(_)) => return Ok(()),
                _ if Instant::now() < deadline => sleep(Duration::from_millis(100)).await,
                Ok(Err(e)) => bail!("no collector can be asked to read: {e}"),
                Err(_) => bail!("no collector answers"),
            }
        }
        Ok(())
    }

    async fn waits(&self, patience: Duration, condition: &'static str) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.holds("collector", condition).await {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

    async fn holds(&self, database: &str, condition: &'static str) -> bool {
        // While the server restarts nothing is known.
        sqlx::query_scalar(condition)
            .fetch_one(self.cluster.pool(database))
            .await
            .unwrap_or(false)
    }

    /// Whether a stage has work in flight.
    async fn at_work(&self, stage: Stage) -> bool {
        match stage {
            Stage::Read => {
                self.holds(
                    "collector",
                    "SELECT EXISTS (SELECT 1 FROM dataset WHERE open IS NOT NULL)",
                )
                .await
            }
            Stage::Apply => {
                let inbox =
                    "SELECT EXISTS (SELECT 1 FROM inbox_page) OR EXISTS (SELECT 1 FROM inbox_seal)";
                self.holds("normalizer", inbox).await
            }
            Stage::Deliver => {
                let heads: Option<i64> =
                    sqlx::query_scalar("SELECT sum(changed)::bigint FROM tenant")
                        .fetch_one(self.cluster.pool("normalizer"))
                        .await
                        .unwrap_or(None);
                let seen: Option<i64> = sqlx::query_scalar("SELECT sum(as_of)::bigint FROM cursor")
                    .fetch_one(self.cluster.pool("sink"))
                    .await
                    .unwrap_or(None);
                heads.unwrap_or(0) > seen.unwrap_or(0)
            }
        }
    }
}

/// Whoever restores a database ends the processes that write to it before.
fn restore(
    servers: &Servers,
    cluster: &mut Cluster,
    service: &'static str,
    dump: &[u8],
) -> Result<()> {
    cluster.kill_all(service);
    servers.postgres.restore(cluster.database(service), dump)?;
    cluster.start_all(service)
}
