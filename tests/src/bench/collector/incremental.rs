//! A day's changes of a large tenant, read as the delta names them, over a full reading.

use anyhow::{Context as _, Result, ensure};
use graph_sim::TenantInfo;
use proto::pages::v1::{RunMode, RunSealed};
use runtime::Clock;
use runtime::db::{Db, Durability};
use runtime::http::Outbound;
use serde_json::Value;

use super::Figures;
use super::simulated::Simulated;
use crate::bench::usage;
use crate::desk::{self, Desk, Setup};
use crate::process::Simulator;

/// What the bench is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Users of the tenant
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// Of 100,000 users, those that change on a day
    #[arg(long, default_value_t = 100)]
    churn: u32,
    /// Days behind each figure, of which the median counts
    #[arg(long, default_value_t = 15)]
    days: usize,
}

/// Replicas are reckoned to be so late, so that what is asked again is asked soon.
const LATENESS: u64 = 2;

/// What a run cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    requests: f64,
    batched: f64,
    units: f64,
    bytes: f64,
    cpu: f64,
}

impl Cost {
    fn over(self, whole: Cost) -> [f64; 4] {
        [
            self.requests / whole.requests,
            self.units / whole.units,
            self.bytes / whole.bytes,
            self.cpu / whole.cpu,
        ]
    }
}

/// Measures.
pub(super) fn measure(args: &Args) -> Result<Figures> {
    let simulated = Simulated::start(args.users, &format!(r#"{{"churn":{}}}"#, args.churn))?;
    let (sim, tenants) = (&simulated.sim, simulated.tenants());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let home = tempfile::tempdir()?;
    runtime.block_on(async {
        let db = desk::database(home.path(), Durability::Full).await?;
        let mut meter = Meter::new(sim);
        let mut desk = desk(&tenants, db)?;
        // A first reading is repeated; the second one finds every connection open.
        let first = desk.sealed().await;
        meter.take()?;
        let second = desk.sealed().await;
        ensure!(
            is_full(&first) && is_full(&second),
            "both readings are full"
        );
        let whole = meter.take()?;
        let (mut days, mut again) = (Vec::new(), Vec::new());
        let mut named = 0;
        for _ in 0..args.days {
            sim.control("POST", "advance?days=1", "");
            desk.make_due().await;
            let some = desk.sealed().await;
            ensure!(!is_full(&some), "the delta is read");
            named = some.objects;
            days.push(meter.take()?);
            // The same ids once more, when replicas have caught up.
            let once_more = desk.sealed().await;
            ensure!(!is_full(&once_more), "named ids are asked again");
            again.push(meter.take()?);
        }
        desk.stop().await;
        let mut figures = Figures::new();
        figures.insert("full_requests", whole.requests);
        figures.insert("full_resource_units", whole.units);
        figures.insert("full_cpu_seconds", whole.cpu);
        figures.insert("objects_of_a_day", named as f64);
        let names = [
            "request_share",
            "resource_unit_share",
            "bytes_share",
            "cpu_share",
        ];
        let later = [
            "again_request_share",
            "again_resource_unit_share",
            "again_bytes_share",
            "again_cpu_share",
        ];
        for (names, costs) in [(names, &days), (later, &again)] {
            for (at, name) in names.into_iter().enumerate() {
                let shares: Vec<f64> = costs.iter().map(|cost| cost.over(whole)[at]).collect();
                // CPU is counted in hundredths of a second, about as long as a day takes: only a mean tells.
                let share = match name.ends_with("cpu_share") {
                    true => shares.iter().sum::<f64>() / shares.len() as f64,
                    false => crate::bench::median(shares),
                };
                figures.insert(name, share);
            }
        }
        let batched = days.iter().map(|cost| cost.batched).collect();
        figures.insert("batch_items", crate::bench::median(batched));
        Ok(figures)
    })
}

fn desk(tenants: &[TenantInfo], db: Db) -> Result<Desk> {
    Ok(Desk::start(Setup {
        config: collector::Config {
            lateness_seconds: LATENESS,
            ..collector::Config::default()
        },
        tenants,
        datasets: &["users"],
        http: Outbound::open(&runtime::http::Config::default())?,
        clock: Clock::system(),
        db,
        alone: true,
        keep: false,
    }))
}

fn is_full(seal: &RunSealed) -> bool {
    seal.mode() == RunMode::Full
}

/// What the simulator saw and this process took since the last time.
struct Meter<'a> {
    sim: &'a Simulator,
    last: Cost,
}

impl<'a> Meter<'a> {
    fn new(sim: &'a Simulator) -> Self {
        Meter {
            sim,
            last: Cost::default(),
        }
    }

    fn take(&mut self) -> Result<Cost> {
        let summary: Value = serde_json::from_str(&self.sim.control("GET", "log/summary", ""))?;
        let paths = summary["paths"].as_object().context("a summary by path")?;
        let mut now = Cost {
            cpu: usage::of_process(std::process::id()),
            ..Cost::default()
        };
        let graph = paths.iter().filter(|(path, _)| !path.contains("/oauth2/"));
        for (_, sums) in graph {
            let count = |name: &str| sums[name].as_f64().unwrap_or(0.0);
            now.batched += count("batched");
            now.requests += count("requests") - count("batched");
            now.units += count("units");
            now.bytes += count("bytes");
        }
        let cost = Cost {
            requests: now.requests - self.last.requests,
            batched: now.batched - self.last.batched,
            units: now.units - self.last.units,
            bytes: now.bytes - self.last.bytes,
            cpu: now.cpu - self.last.cpu,
        };
        self.last = now;
        Ok(cost)
    }
}
