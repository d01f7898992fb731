//! What the exporter costs over the fastest way to write what its sinks write.

mod files;
mod ledger;
mod postgres;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use runtime::db::{Db, Durability, Options};

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Interleaved pairs behind each ratio, of which the median counts
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Users of the tenant
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Records of the exports during which memory is looked at
    #[arg(long, default_value_t = 5_000_000)]
    files_records: u64,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Files: NDJSON over writing the same bytes, Parquet beside the writer of Arrow, memory
    Files,
    /// A first export into PostgreSQL, over a plain COPY of the same rows
    Postgres,
}

/// By name.
type Figures = BTreeMap<&'static str, f64>;

/// Runs it and prints the figures as one line of JSON.
///
/// # Errors
/// When something can't be started.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut figures = Figures::new();
    runtime.block_on(async {
        let wanted = |part| args.only.is_empty() || args.only.contains(&part);
        if wanted(Part::Files) {
            files::measure(args, &mut figures).await?;
        }
        if wanted(Part::Postgres) {
            postgres::measure(args, &mut figures).await?;
        }
        anyhow::Ok(())
    })?;
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

/// A new database for an exporter.
async fn database(home: &Path) -> Result<Db> {
    let options = Options {
        path: home.join("exporter.db"),
        durability: Durability::Full,
        brake: false,
    };
    Ok(Db::open(&options, &exporter::MIGRATIONS).await?)
}
