//! One reading of users by the product's collector, in this process.

use std::time::Duration;

use anyhow::Result;
use graph_sim::{Config, Sim, TenantInfo};
use runtime::Clock;
use runtime::db::Durability;
use runtime::http::Outbound;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bench::usage;
use crate::desk::{self, Desk, Setup};

/// Which simulator is read.
#[derive(clap::Args)]
pub struct Args {
    /// Its base URL
    #[arg(long)]
    pub base: String,
    /// Its users
    #[arg(long)]
    pub users: u32,
    /// Its seed
    #[arg(long)]
    pub seed: u64,
}

impl Args {
    /// The simulator's tenants.
    pub fn tenants(&self) -> Vec<TenantInfo> {
        tenants(&self.base, self.users, self.seed)
    }
}

/// The tenants of a simulator that is another process: equal seeds give equal tenants.
pub fn tenants(base: &str, users: u32, seed: u64) -> Vec<TenantInfo> {
    let config = Config {
        users,
        seed,
        base: Some(base.to_owned()),
        ..Config::default()
    };
    Sim::new(config).tenants().to_vec()
}

/// Between looks at the memory.
const EVERY: Duration = Duration::from_millis(100);

/// Reads once. Seconds run from the start of the collector to its seal.
pub fn run(args: &Args) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let home = tempfile::tempdir()?;
    runtime.block_on(async {
        let db = desk::database(home.path(), Durability::Full).await?;
        let start = Instant::now();
        let mut desk = Desk::start(Setup {
            config: collector::Config::default(),
            tenants: &args.tenants(),
            datasets: &["users"],
            http: Outbound::open(&runtime::http::Config::default())?,
            clock: Clock::system(),
            db,
            alone: true,
            keep: false,
        });
        let me = std::process::id();
        let mut resident = Vec::new();
        let seal = loop {
            tokio::select! {
                seal = desk.sealed() => break seal,
                () = tokio::time::sleep(EVERY) => resident.push(usage::resident_mib(me)),
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let (early, late) = resident.split_at(resident.len() / 2);
        let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        let figures = json!({
            "seconds": seconds,
            "cpu_seconds": usage::of_process(me),
            "peak_mib": usage::peak_mib(me),
            "first_half_mib": most(early),
            "second_half_mib": most(late),
            "objects": seal.objects,
            "requests": seal.requests,
            "gaps": seal.gaps.len(),
        });
        Ok(figures)
    })
}
