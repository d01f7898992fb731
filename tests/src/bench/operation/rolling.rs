//! Every replica of every service is ended and started again, one after the other, while tenants change and are read: what
//! is lost, what comes twice, and how long nothing goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use servers::Proxy;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::{Args, share};
use crate::chaos::{Field, Presence, Round, judged, watch};
use crate::cluster::{Cluster, SERVICES, Servers, Tuning};

const TENANTS: u16 = 5;
/// Between two looks; each makes everything due.
const STEP: Duration = Duration::from_millis(250);
/// Steps between two days.
const DAY: u32 = 8;
/// Longer than any replica takes to end and to be ready again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whose lag is told: it takes each change as it comes. Sinks of whole states wait until a tenant is quiet, restarts or not.
const SINK: &str = "sink=\"postgres\"";

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    servers.declare()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let graph = Proxy::start(listener.local_addr()?.port())?;
    let sim = graph_sim::Sim::new(graph_sim::Config {
        users: 300,
        tenants: TENANTS,
        base: Some(format!("http://127.0.0.1:{}", graph.port())),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let _serving = share::serve(&sim, listener);
    let cluster = Cluster::start(servers, sim.tenants(), Tuning::default())?;
    share::synced(&cluster).await?;
    let pool = |name: &str| cluster.pool(name).clone();
    let (ledger, sink, collector) = (pool("normalizer"), pool("sink"), pool("collector"));
    let since = watch(&ledger, &sink, &collector).await?;
    let mut load = Load {
        field: Field {
            servers,
            presence: Presence::new(&sim),
            cluster,
            sim,
            graph,
            dump: None,
        },
        steps: 0,
        lag: 0.0,
    };
    // As it is without restarts.
    for _ in 0..40 {
        load.step().await?;
    }
    let (steady, steady_lag) = (load.gap(since).await?, load.lag);
    load.lag = 0.0;
    let began = load.field.cluster.now().await?;
    let mut restarts = 0;
    for _ in 0..args.rounds {
        for service in SERVICES {
            for replica in 0..load.field.cluster.replicas[service].len() {
                load.restart(service, replica).await?;
                restarts += 1;
            }
        }
    }
    figures.insert("rolling_restarts", f64::from(restarts));
    figures.insert("rolling_steady_gap_s", steady);
    figures.insert("rolling_steady_lag_s", steady_lag);
    figures.insert("rolling_gap_s", load.gap(began).await?);
    figures.insert("rolling_lag_s", load.lag);
    let round = Round {
        lossy: false,
        restored: false,
        overtaken: BTreeSet::new(),
    };
    // Fails with what was lost or came twice.
    judged(&mut load.field, since, false, round).await?;
    figures.insert("rolling_lost", 0.0);
    figures.insert("rolling_twice", 0.0);
    Ok(())
}

struct Load<'a> {
    field: Field<'a>,
    steps: u32,
    /// The highest lag that an exporter has told of, in seconds.
    lag: f64,
}

impl Load<'_> {
    /// Makes everything due, now and then a day later, and looks how far sinks are behind.
    async fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(DAY) {
            self.field.a_day_passes();
        }
        // Err: nobody answers at this moment.
        let _ = self.field.make_due().await;
        for replica in &self.field.cluster.replicas["exporter"] {
            let port = replica.http;
            let page = tokio::task::spawn_blocking(move || servers::get(port, "/metrics")).await?;
            let told = page.unwrap_or_default();
            let lags = told
                .lines()
                .filter(|l| l.starts_with("leastwise_sink_lag_seconds{") && l.contains(SINK));
            let lags = lags.filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok());
            self.lag = lags.fold(self.lag, f64::max);
        }
        sleep(STEP).await;
        Ok(())
    }

    async fn restart(&mut self, service: &'static str, replica: usize) -> Result<()> {
        self.field.cluster.of(service)[replica].signal("TERM");
        let end = Instant::now() + PATIENCE;
        while !self.field.cluster.of(service)[replica].has_ended() {
            self.step().await?;
            if Instant::now() > end {
                bail!("{service} {replica} does not end");
            }
        }
        self.field.cluster.of(service)[replica].start()?;
        let port = self.field.cluster.of(service)[replica].http;
        let ready = move || servers::get(port, "/readyz").is_ok_and(|text| text.contains(" 200 "));
        while !tokio::task::spawn_blocking(ready).await? {
            self.step().await?;
            if Instant::now() > end {
                bail!("{service} {replica} is not ready");
            }
        }
        // As a deployment waits before it goes on.
        for _ in 0..8 {
            self.step().await?;
        }
        Ok(())
    }

    /// The longest time in which no run was closed, in seconds.
    async fn gap(&self, since: i64) -> Result<f64> {
        let sql = "SELECT max(gap) FROM (SELECT closed_at - lag(closed_at, 1, $1) OVER (ORDER BY closed_at) AS gap
            FROM closing WHERE closed_at >= $1) gaps";
        let gap: Option<i64> = sqlx::query_scalar(sql)
            .bind(since)
            .fetch_one(self.field.cluster.pool("normalizer"))
            .await?;
        Ok(gap.unwrap_or(0) as f64 / 1e6)
    }
}
