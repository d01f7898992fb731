//! What the distributed setting costs: over the embedded one, over the fastest bulk statement, and at rest.
#![allow(clippy::unwrap_used, reason = "a bench's support")]

mod apply;
mod idle;
mod share;
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
        share::measure(&servers, args, &mut figures).await?;
        apply::measure(&servers, args.pairs, &mut figures).await?;
        idle::measure(&servers, args, &mut figures).await
    })?;
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

/// Of an odd number the one in the middle.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
