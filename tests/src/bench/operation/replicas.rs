//! Two collectors over one, where what takes time is Graph's latency: what replicas are for.

use std::collections::BTreeMap;

use anyhow::Result;
use graph_sim::Scenario;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Args, median, share};
use crate::cluster::{Cluster, Servers, Tuning};

/// Milliseconds that Graph takes: several times as long as it often does, so that two cores, which do all the rest too, wait
/// most of the time.
const LATENCY: &str = "[[trouble]]\nkind = 'latency'\np50 = 600\np99 = 1200";

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    servers.declare()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut config = graph_sim::Config {
        users: 20,
        tenants: args.tenants,
        base: Some(format!("http://{}", listener.local_addr()?)),
        wall_clock: true,
        ..graph_sim::Config::default()
    };
    let scenario = Scenario::parse(LATENCY).map_err(|e| anyhow::anyhow!("{e}"))?;
    scenario.apply(&mut config);
    let sim = graph_sim::Sim::new(config);
    let _serving = share::serve(&sim, listener);
    let tuning = Tuning {
        sqlite_sink: false,
        files_sink: false,
        ..Tuning::default()
    };
    let mut cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    // Everything is read for the first time.
    share::synced(&cluster).await?;
    let (mut one, mut two, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        cluster.of("collector")[1].kill();
        let alone = per_minute(&cluster, args.tenants).await?;
        cluster.of("collector")[1].start()?;
        ready(&cluster).await?;
        let both = per_minute(&cluster, args.tenants).await?;
        one.push(alone);
        two.push(both);
        ratios.push(both / alone);
    }
    figures.insert("tenants_per_minute_1_collector", median(one));
    figures.insert("tenants_per_minute_2_collectors", median(two));
    figures.insert("collectors_2_over_1", median(ratios));
    Ok(())
}

/// Tenants a minute, all made due at once.
async fn per_minute(cluster: &Cluster, tenants: u16) -> Result<f64> {
    let began = Instant::now();
    share::synced(cluster).await?;
    Ok(f64::from(tenants) * 60.0 / began.elapsed().as_secs_f64())
}

/// Waits until the second collector works.
async fn ready(cluster: &Cluster) -> Result<()> {
    let port = cluster.replicas["collector"][1].http;
    let ready = move || {
        servers::wait_until(
            "the collector is ready",
            std::time::Duration::from_secs(60),
            || Ok(servers::get(port, "/readyz").is_ok_and(|text| text.contains("ready\n"))),
        )
    };
    tokio::task::spawn_blocking(ready).await?
}
