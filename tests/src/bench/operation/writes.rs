//! What the services write to their databases while nothing is due.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Args, share};
use crate::cluster::{Cluster, STATEFUL, Servers, Tuning};

/// Rows of tables written, the server's own left out, and transactions of all sorts.
const WRITTEN: &str = "SELECT
    (SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables),
    xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    servers.declare()?;
    let (sim, _serving) = share::simulator(2, args.idle_tenants).await?;
    let tuning = Tuning {
        replicas: 2,
        sqlite_sink: false,
        files_sink: false,
        scheduled: true,
        ..Tuning::default()
    };
    let cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    share::synced(&cluster).await?;
    // What a server counts is told a moment later.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (rows, transactions) = written(&cluster).await?;
    let requests = sim.stats().requests;
    tokio::time::sleep(Duration::from_secs(args.idle_seconds)).await;
    let asked = sim.stats().requests - requests;
    let (rows_then, transactions_then) = written(&cluster).await?;
    let minutes = args.idle_seconds as f64 / 60.0;
    let each = f64::from(args.idle_tenants) * minutes;
    figures.insert("idle_writes_per_tenant_minute", (rows_then - rows) / each);
    figures.insert(
        "idle_transactions_per_minute",
        (transactions_then - transactions) / minutes,
    );
    // None: then nothing was due.
    figures.insert("idle_graph_requests", asked as f64);
    Ok(())
}

async fn written(cluster: &Cluster) -> Result<(f64, f64)> {
    let (mut rows, mut transactions) = (0.0, 0.0);
    for service in STATEFUL.into_iter().chain(["sink"]) {
        let (r, t): (i64, i64) = sqlx::query_as(WRITTEN)
            .fetch_one(cluster.pool(service))
            .await?;
        rows += r as f64;
        transactions += t as f64;
    }
    Ok((rows, transactions))
}
