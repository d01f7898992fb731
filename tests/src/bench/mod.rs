//! What the distributed setting costs: over the embedded one, over the fastest bulk statement, and at rest; and what the
//! token-broker, the collector, the normalizer and the exporter cost alone.
#![allow(clippy::unwrap_used, reason = "a bench's support")]

mod apply;
pub mod broker;
pub mod collector;
pub mod exporter;
mod idle;
pub mod normalizer;
pub mod operation;
pub mod scale;
mod share;
pub(crate) use share::synced;
mod takeover;
mod usage;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;

use crate::cluster::Servers;

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Interleaved pairs behind each ratio, of which the median counts
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Users of the tenant that both settings read
    #[arg(long, default_value_t = 20_000)]
    users: u32,
    /// Seconds at rest
    #[arg(long, default_value_t = 300)]
    idle_seconds: u64,
    /// Tenants at rest
    #[arg(long, default_value_t = 1_000)]
    idle_tenants: u16,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Users per CPU-second, over the embedded setting
    Share,
    /// Pages taken in, and rows applied over the fastest bulk statement
    Apply,
    /// Seconds until another collector goes on after a kill
    Takeover,
    /// CPU of four services while nothing is due
    Idle,
}

/// Runs it and prints the figures as one line of JSON.
///
/// # Errors
/// When something can't be started.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let servers = Servers::start()?;
    let mut figures = BTreeMap::new();
    runtime.block_on(async {
        let wanted = |part| args.only.is_empty() || args.only.contains(&part);
        if wanted(Part::Share) {
            share::measure(&servers, args, &mut figures).await?;
        }
        if wanted(Part::Apply) {
            apply::measure(&servers, args.pairs, &mut figures).await?;
        }
        if wanted(Part::Takeover) {
            takeover::measure(&servers, &mut figures).await?;
        }
        if wanted(Part::Idle) {
            idle::measure(&servers, args, &mut figures).await?;
        }
        anyhow::Ok(())
    })?;
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

/// Of an odd number the one in the middle.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
