//! What operation costs and gives: more replicas, a replica that is gone, many tenants at rest, telemetry, and services that
//! are replaced while they work.

mod replicas;
mod rolling;
mod telemetry;
mod writes;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;

use super::{median, share, takeover, usage};
use crate::cluster::Servers;

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Interleaved pairs behind each ratio, of which the median counts; of telemetry twice as many
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Users of the tenant that is read with and without telemetry
    #[arg(long, default_value_t = 200_000)]
    users: u32,
    /// Tenants that one collector and two read
    #[arg(long, default_value_t = 240)]
    tenants: u16,
    /// Seconds at rest
    #[arg(long, default_value_t = 300)]
    idle_seconds: u64,
    /// Tenants at rest
    #[arg(long, default_value_t = 1_000)]
    idle_tenants: u16,
    /// Rounds of restarting every replica of every service
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Two collectors over one, where Graph's latency is what takes time
    Replicas,
    /// Seconds until another collector goes on after a kill
    Takeover,
    /// What databases are written to while nothing is due
    Writes,
    /// Users per CPU-second with telemetry over without
    Telemetry,
    /// Every replica restarted while changes come: what is lost, and how long nothing goes on
    Rolling,
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
        if wanted(Part::Replicas) {
            replicas::measure(&servers, args, &mut figures).await?;
        }
        if wanted(Part::Takeover) {
            takeover::measure(&servers, &mut figures).await?;
        }
        if wanted(Part::Writes) {
            writes::measure(&servers, args, &mut figures).await?;
        }
        if wanted(Part::Telemetry) {
            telemetry::measure(&servers, args, &mut figures).await?;
        }
        if wanted(Part::Rolling) {
            rolling::measure(&servers, args, &mut figures).await?;
        }
        anyhow::Ok(())
    })?;
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}
