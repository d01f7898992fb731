//! What the services write to their databases while nothing is due.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Args, share, usage};
use crate::cluster::{Cluster, Servers, Tuning};

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
    let before = usage::written(&cluster).await?;
    let requests = sim.stats().requests;
    tokio::time::sleep(Duration::from_secs(args.idle_seconds)).await;
    let asked = sim.stats().requests - requests;
    let after = usage::written(&cluster).await?;
    let minutes = args.idle_seconds as f64 / 60.0;
    let each = f64::from(args.idle_tenants) * minutes;
    figures.insert(
        "idle_writes_per_tenant_minute",
        (after.rows - before.rows) / each,
    );
    figures.insert(
        "idle_transactions_per_minute",
        (after.transactions - before.transactions) / minutes,
    );
    // None: then nothing was due.
    figures.insert("idle_graph_requests", asked as f64);
    Ok(())
}
