//! How long a tenant stands still when the collector that works for it is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use graph_sim::Sim;
use proto::admin::v1::MakeDueRequest;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use servers::Proxy;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::{median, share};
use crate::cluster::{Cluster, Servers, Tuning};

/// Kills, of which the median counts.
const KILLS: usize = 3;
/// Who holds the lease on the only tenant.
const HOLDER: &str = "SELECT holder FROM lease WHERE holder <> '' AND
    until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

pub(super) async fn measure(servers: &Servers, figures: &mut BTreeMap<&str, f64>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let graph = Proxy::start(listener.local_addr()?.port())?;
    let sim = Sim::new(graph_sim::Config {
        users: 100,
        base: Some(format!("http://127.0.0.1:{}", graph.port())),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let _serving = share::serve(&sim, listener);
    servers.declare()?;
    let tuning = Tuning {
        lease: collector::Config::default().lease_seconds,
        ..Tuning::default()
    };
    let mut cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    cluster.kill_all("collector");
    // Graph answers nobody: whoever has the lease keeps it.
    graph.stall(true);
    let pool = cluster.pool("collector").clone();
    cluster.of("collector")[0].start()?;
    let mut seconds = Vec::new();
    let mut alive = 0;
    ask(&cluster, alive).await?;
    let mut holder = held_by_another(&pool, "").await?;
    for _ in 0..KILLS {
        let other = 1 - alive;
        cluster.of("collector")[other].start()?;
        ask(&cluster, other).await?;
        cluster.of("collector")[alive].kill();
        let killed = Instant::now();
        holder = held_by_another(&pool, &holder).await?;
        seconds.push(killed.elapsed().as_secs_f64());
        alive = other;
    }
    figures.insert(
        "takeover_s_worst",
        seconds.iter().copied().fold(0.0, f64::max),
    );
    figures.insert("takeover_s", median(seconds));
    Ok(())
}

/// Waits until a collector answers, and asks it to read.
async fn ask(cluster: &Cluster, replica: usize) -> Result<()> {
    let mut collector = CollectorAdminClient::new(cluster.clients(replica)?.collector);
    for _ in 0..300 {
        if collector.make_due(MakeDueRequest::default()).await.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no collector answers")
}

async fn held_by_another(pool: &PgPool, before: &str) -> Result<String> {
    for _ in 0..6_000 {
        let holder: Option<String> = sqlx::query_scalar(HOLDER).fetch_optional(pool).await?;
        if let Some(holder) = holder.filter(|h| h != before) {
            return Ok(holder);
        }
        sleep(Duration::from_millis(10)).await;
    }
    bail!("nobody took the tenant over within a minute")
}
