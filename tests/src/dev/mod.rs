//! `cargo xtask dev up`: an installation as in production, on loopback. Every connection is mutual TLS except those to
//! PostgreSQL (TLS and a password) and to the simulated Graph (plain text).

mod config;
mod install;
mod servers_of;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use servers::{Pki, Postgres, Process, RabbitMq};
use tempfile::TempDir;

/// What is done with an installation.
#[derive(clap::Subcommand, Debug)]
pub enum Task {
    /// Start everything, say what to try, and stop it on SIGINT or SIGTERM
    Up(Args),
}

/// The installation that is wanted.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Replicas of each service
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub replicas: u16,
    /// Simulated tenants
    #[arg(long, default_value_t = 3)]
    pub tenants: u16,
    /// Users of each tenant
    #[arg(long, default_value_t = 1_000)]
    pub users: u32,
    /// Equal seeds give equal tenants
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave reading to `leastwise sync` instead of beginning by itself
    #[arg(long)]
    pub unscheduled: bool,
    /// Where the services send traces and metrics to by OTLP: `http://127.0.0.1:4317`
    #[arg(long)]
    pub otlp: Option<String>,
    /// What the services log, as LEASTWISE_LOG has it: `debug`, `info,collector=trace`
    #[arg(long)]
    pub log: Option<String>,
}

/// The trust domain of every identity.
pub const TRUST: &str = "spiffe://leastwise.dev";
/// The operator, who has every role but `security`.
pub const OPERATOR: &str = "spiffe://leastwise.dev/operator/you";

/// A running installation. Dropped, it ends: first the services, then what they use.
pub struct Installation {
    /// The processes of the services.
    pub replicas: Vec<Replica>,
    /// Microsoft Graph and Entra ID, simulated.
    pub graph: Process,
    /// Where the simulator is controlled.
    pub control: String,
    /// The queue.
    pub rabbit: RabbitMq,
    /// The databases.
    pub postgres: Postgres,
    /// Who vouches for everybody.
    pub pki: Pki,
    home: TempDir,
}

/// A process of a service.
pub struct Replica {
    /// Which.
    pub service: &'static str,
    /// Which of its replicas.
    pub number: u16,
    /// Where it serves gRPC.
    pub grpc: u16,
    /// Where `/metrics` and `/readyz` are.
    pub http: u16,
    process: Process,
}

impl Installation {
    /// Its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// Does it; prints what a developer reads.
///
/// # Errors
/// When something doesn't start.
#[allow(clippy::print_stdout, reason = "this is what people read")]
pub fn run(task: &Task) -> Result<ExitCode> {
    let Task::Up(args) = task;
    println!("Starting PostgreSQL, RabbitMQ, a simulated Graph and the services ...");
    let installation = Installation::start(args)?;
    println!("{}", installation.describe()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(graph_sim::cli::stop());
    println!("Stopping ...");
    drop(installation);
    Ok(ExitCode::SUCCESS)
}
