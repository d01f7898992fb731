//! What four services with many tenants cost while nothing is due.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Args, share, usage};
use crate::cluster::{Cluster, SERVICES, Servers, Tuning};

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    servers.declare()?;
    let (sim, _serving) = share::simulator(2, args.idle_tenants).await?;
    let tuning = Tuning {
        replicas: 1,
        postgres_sink: true,
        sqlite_sink: false,
        files_sink: false,
        ..Tuning::default()
    };
    let mut cluster = Cluster::start(
        servers,
        sim.tenants(),
        Tuning {
            scheduled: true,
            ..tuning
        },
    )?;
    share::synced(&cluster).await?;
    let before: Vec<f64> = SERVICES.iter().map(|s| of(&mut cluster, s)).collect();
    tokio::time::sleep(Duration::from_secs(args.idle_seconds)).await;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench")]
    let seconds = args.idle_seconds as f64;
    let mut sum = 0.0;
    for (service, before) in SERVICES.iter().zip(before) {
        let name = match *service {
            "token-broker" => "idle_cpu_share_token_broker",
            "collector" => "idle_cpu_share_collector",
            "normalizer" => "idle_cpu_share_normalizer",
            _ => "idle_cpu_share_exporter",
        };
        let share = (of(&mut cluster, service) - before) / seconds;
        sum += share;
        figures.insert(name, share);
    }
    figures.insert("idle_cpu_share", sum);
    Ok(())
}

fn of(cluster: &mut Cluster, service: &str) -> f64 {
    cluster
        .of(service)
        .iter()
        .filter_map(|r| r.id())
        .map(usage::of_process)
        .sum()
}
