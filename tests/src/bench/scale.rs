//! Many tenants and 1, 2, 4 replicas of each service: how many are read a minute, how late they are at their cadence, how
//! fresh the inventory is, what becomes of it when replicas are killed and come back meanwhile, and what a tenant costs.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use super::{share, usage};
use crate::cluster::{Cluster, SERVICES, Servers, Tuning};

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Tenants
    #[arg(long, default_value_t = 1_000)]
    tenants: u16,
    /// Users of each
    #[arg(long, default_value_t = 50)]
    users: u32,
    /// Seconds between two readings of a dataset
    #[arg(long, default_value_t = 300)]
    cadence: u64,
    /// Replicas of each service, one case after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    replicas: Vec<usize>,
}

/// Of 100,000 users so many change on a day: nearly every tenant has one that does.
const CHURN: u32 = 10_000;

/// Runs it and prints the figures as one line of JSON.
///
/// # Errors
/// When something can't be started.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the command prints"
)]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let servers = Servers::start()?;
    let mut figures = BTreeMap::new();
    for replicas in &args.replicas {
        let seen = runtime.block_on(case(&servers, args, *replicas))?;
        eprintln!("{replicas} replicas of each: {}", serde_json::json!(seen));
        figures.extend(
            seen.into_iter()
                .map(|(name, n)| (format!("{name}_{replicas}"), n)),
        );
    }
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

async fn case(
    servers: &Servers,
    args: &Args,
    replicas: usize,
) -> Result<BTreeMap<&'static str, f64>> {
    servers.delete_queues()?;
    servers.declare()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let sim = graph_sim::Sim::new(graph_sim::Config {
        users: args.users,
        tenants: args.tenants,
        churn: CHURN,
        base: Some(format!("http://{}", listener.local_addr()?)),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let _serving = share::serve(&sim, listener);
    let tuning = Tuning {
        replicas,
        scheduled: true,
        sqlite_sink: false,
        files_sink: false,
        cadence: Some(args.cadence),
        ..Tuning::default()
    };
    let tenants = f64::from(args.tenants);
    let began = Instant::now();
    let mut cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    share::synced(&cluster).await?;
    let mut figures = BTreeMap::from([(
        "first_tenants_per_minute",
        tenants * 60.0 / began.elapsed().as_secs_f64(),
    )]);

    // A day passes, and reaches the sink as each tenant comes to its turn.
    let before = Counted::of(&cluster, &sim).await?;
    let cpu = usage::of_cluster(&cluster);
    let (began, since) = (Instant::now(), cluster.now().await?);
    sim.advance(1);
    let mut arrived: BTreeMap<String, f64> = BTreeMap::new();
    let window = Duration::from_secs(args.cadence * 5 / 4);
    let mut struck = replicas == 1;
    let mut back = None;
    while began.elapsed() < window {
        if !struck && began.elapsed() > window / 3 {
            struck = true;
            SERVICES
                .iter()
                .for_each(|service| cluster.of(service)[replicas - 1].kill());
            back = Some(Instant::now() + Duration::from_secs(20));
        }
        if back.is_some_and(|at| at < Instant::now()) {
            back = None;
            SERVICES
                .iter()
                .try_for_each(|service| cluster.start_all(service))?;
        }
        let sql = "SELECT tenant_id FROM \"user\" GROUP BY tenant_id HAVING max(closing) > $1";
        let shown: Vec<String> = sqlx::query_scalar(sql)
            .bind(since)
            .fetch_all(cluster.pool("sink"))
            .await?;
        let took = began.elapsed().as_secs_f64();
        for tenant in shown {
            arrived.entry(tenant).or_insert(took);
        }
        sleep(Duration::from_secs(1)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = Counted::of(&cluster, &sim).await?;
    let mut fresh: Vec<f64> = arrived.into_values().collect();
    fresh.sort_by(f64::total_cmp);
    let share = |part: usize| {
        fresh
            .get(fresh.len() * part / 100)
            .copied()
            .context("no change arrived")
    };
    figures.insert("fresh_p50_s", share(50)?);
    figures.insert("fresh_p99_s", share(99)?);
    figures.insert("fresh_tenants", fresh.len() as f64);
    figures.insert("late_p50_s", after.late(&before, 0.5));
    figures.insert("late_p99_s", after.late(&before, 0.99));
    let hours = tenants * seconds / 3600.0;
    figures.insert(
        "requests_per_tenant_hour",
        (after.requests - before.requests) / hours,
    );
    figures.insert("rows_per_tenant_hour", (after.rows - before.rows) / hours);
    // A process that was killed takes with it what it had counted.
    if replicas == 1 {
        figures.extend([
            (
                "messages_per_tenant_hour",
                (after.messages - before.messages) / hours,
            ),
            (
                "graph_bytes_per_tenant_hour",
                (after.bytes - before.bytes) / hours,
            ),
            (
                "cpu_seconds_per_tenant_hour",
                (usage::of_cluster(&cluster) - cpu) / hours,
            ),
        ]);
    }
    Ok(figures)
}

/// What has been counted so far.
struct Counted {
    requests: f64,
    messages: f64,
    rows: f64,
    bytes: f64,
    /// By the upper bound of a bucket, how many runs began no later.
    late: BTreeMap<String, f64>,
}

impl Counted {
    async fn of(cluster: &Cluster, sim: &graph_sim::Sim) -> Result<Counted> {
        let mut counted = Counted {
            requests: sim.stats().requests as f64,
            messages: 0.0,
            rows: 0.0,
            bytes: 0.0,
            late: BTreeMap::new(),
        };
        for replica in cluster.replicas.values().flatten() {
            let port = replica.http;
            let page = tokio::task::spawn_blocking(move || servers::get(port, "/metrics")).await?;
            for line in page.unwrap_or_default().lines() {
                let Some((series, n)) = line.rsplit_once(' ') else {
                    continue;
                };
                let n = n.parse().unwrap_or(0.0);
                if series.starts_with("messaging_client_sent_messages_total{") {
                    counted.messages += n;
                } else if series.starts_with("leastwise_graph_received_bytes_total{") {
                    counted.bytes += n;
                } else if series.starts_with("leastwise_schedule_lateness_seconds_bucket{") {
                    let bound = series
                        .split("le=\"")
                        .nth(1)
                        .and_then(|b| b.split('"').next());
                    *counted
                        .late
                        .entry(bound.unwrap_or_default().to_owned())
                        .or_default() += n;
                }
            }
        }
        counted.rows = usage::written(cluster).await?.rows;
        Ok(counted)
    }

    /// The upper bound of the bucket in which this share of the runs since then lies.
    fn late(&self, before: &Counted, share: f64) -> f64 {
        let bounds = self.late.iter().filter_map(|(bound, n)| {
            let before = before.late.get(bound).copied().unwrap_or(0.0);
            Some((
                bound.replace("+Inf", "inf").parse::<f64>().ok()?,
                (n - before).max(0.0),
            ))
        });
        let mut bounds: Vec<_> = bounds.collect();
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = bounds.last().map_or(0.0, |(_, n)| *n);
        let found = bounds.iter().find(|(_, n)| *n >= all * share);
        found.map_or(0.0, |(bound, _)| *bound)
    }
}
