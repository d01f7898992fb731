//! Users per CPU-second through four processes, over the same through one.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Result, bail};
use graph_sim::{Sim, TenantInfo};
use leastwise::pass;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Args, median, usage};
use crate::cluster::{Cluster, Servers, Tuning, program};

/// A simulator that answers as long as the set lives.
pub(super) async fn simulator(users: u32, tenants: u16) -> Result<(Sim, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let sim = Sim::new(graph_sim::Config {
        users,
        tenants,
        base: Some(format!("http://{}", listener.local_addr()?)),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let serving = serve(&sim, listener);
    Ok((sim, serving))
}

/// It answers as long as the set lives.
pub(super) fn serve(sim: &Sim, listener: TcpListener) -> JoinSet<()> {
    let mut serving = JoinSet::new();
    let server = sim.clone();
    serving.spawn(async move {
        server
            .serve(listener, std::future::pending())
            .await
            .unwrap()
    });
    serving
}

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    let (sim, _serving) = simulator(args.users, 1).await?;
    let users = f64::from(args.users);
    let (mut embedded, mut distributed, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let one = users / embedded_sync(&sim.tenants()[0])?;
        let four = users / distributed_sync(servers, sim.tenants()).await?;
        embedded.push(one);
        distributed.push(four);
        shares.push(four / one);
    }
    figures.insert("embedded_users_per_cpu_second", median(embedded));
    figures.insert("distributed_users_per_cpu_second", median(distributed));
    figures.insert("share_of_embedded", median(shares));
    Ok(())
}

/// CPU seconds of `leastwise sync` over a new directory.
fn embedded_sync(tenant: &TenantInfo) -> Result<f64> {
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("secret"), &tenant.client_secret)?;
    let config = format!(
        "[[tenants]]\nid = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"secret\"\nauthority = \"{}\"\ngraph = \"{}\"\n[[sinks]]\nkind = \"files\"\npath = \"inventory\"\n[collector]\nlateness_seconds = 0\n[normalizer]\nlateness_seconds = 0\n",
        tenant.id, tenant.client_id, tenant.authority, tenant.graph
    );
    std::fs::write(home.path().join("leastwise.toml"), config)?;
    let before = usage::of_ended_children();
    let sync = program("leastwise")
        .arg("sync")
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()?;
    if !sync.status.success() {
        bail!("leastwise sync: {}", String::from_utf8_lossy(&sync.stderr));
    }
    Ok(usage::of_ended_children() - before)
}

/// CPU seconds of the four services, from their start to the delivery.
async fn distributed_sync(servers: &Servers, tenants: &[TenantInfo]) -> Result<f64> {
    servers.declare()?;
    let tuning = Tuning {
        replicas: 1,
        postgres_sink: false,
        sqlite_sink: false,
        ..Tuning::default()
    };
    let cluster = Cluster::start(servers, tenants, tuning)?;
    synced(&cluster).await?;
    Ok(usage::of_cluster(&cluster))
}

/// Passes until one is whole: the services need a moment to find each other.
pub(crate) async fn synced(cluster: &Cluster) -> Result<()> {
    let mut last = String::new();
    for _ in 0..60 {
        match pass(&cluster.clients(0)?).await {
            Ok(outcome)
                if outcome
                    .exit()
                    .is_ok_and(|code| code == std::process::ExitCode::SUCCESS) =>
            {
                return Ok(());
            }
            Ok(outcome) => last = format!("{} {:?}", outcome.summary(), outcome.collector),
            Err(e) => last = e.to_string(),
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let logs = cluster
        .replicas
        .values()
        .flatten()
        .map(|r| r.log_end(4))
        .collect::<Vec<_>>();
    bail!("no whole pass: {last}\n{}", logs.join("\n"))
}
