//! Users per CPU-second of the four services with all telemetry, over the same with none: logs, spans that are sent, metrics
//! that are sent and asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;

use super::{Args, median, share, usage};
use crate::cluster::{Cluster, Servers, Tuning};
use crate::otlp::Receiver;

/// How often the page of metrics is asked for: three times as often as is usual.
const SCRAPE: Duration = Duration::from_secs(5);

/// For each pair that was asked for: what telemetry takes is less than what two runs differ by.
const PAIRS: usize = 2;

pub(super) async fn measure(
    servers: &Servers,
    args: &Args,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    let (sim, _serving) = share::simulator(args.users, 1).await?;
    let receiver = Receiver::start().await?;
    let users = f64::from(args.users);
    let (mut with, mut without, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..args.pairs * PAIRS {
        // Each goes first as often as the other: what one leaves behind meets both.
        let first = (pair % 2 == 0).then_some(&receiver);
        let second = first.is_none().then_some(&receiver);
        let first_cost = synced(servers, &sim, first).await?;
        let second_cost = synced(servers, &sim, second).await?;
        let (all, none) = match first {
            Some(_) => (users / first_cost, users / second_cost),
            None => (users / second_cost, users / first_cost),
        };
        with.push(all);
        without.push(none);
        shares.push(all / none);
    }
    figures.insert("telemetry_users_per_cpu_second", median(with));
    figures.insert("no_telemetry_users_per_cpu_second", median(without));
    figures.insert("telemetry_throughput_share", median(shares));
    figures.insert("telemetry_spans", receiver.seen().spans.len() as f64);
    Ok(())
}

/// CPU seconds of the four services, from their start to the delivery.
async fn synced(servers: &Servers, sim: &graph_sim::Sim, to: Option<&Receiver>) -> Result<f64> {
    servers.declare()?;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = match to {
        Some(receiver) => vec![
            variable("LEASTWISE__TELEMETRY__OTLP__ENDPOINT", &receiver.endpoint),
            variable("LEASTWISE__TELEMETRY__METRICS_SECONDS", "15"),
        ],
        None => vec![variable("LEASTWISE_LOG", "off")],
    };
    let tuning = Tuning {
        replicas: 1,
        sqlite_sink: false,
        files_sink: false,
        environment,
        ..Tuning::default()
    };
    let cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    let mut scrapes = JoinSet::new();
    if to.is_some() {
        for replica in cluster.replicas.values().flatten() {
            let port = replica.http;
            scrapes.spawn(async move {
                loop {
                    tokio::time::sleep(SCRAPE).await;
                    // Err: it is not there yet.
                    let _ =
                        tokio::task::spawn_blocking(move || servers::get(port, "/metrics")).await;
                }
            });
        }
    }
    share::synced(&cluster).await?;
    Ok(usage::of_cluster(&cluster))
}
