//! `cargo xtask bench`: figures for people, and one JSON line for machines.

mod child;
mod demo;
mod distributed;
mod figures;
mod sim;

use std::process::ExitCode;

use anyhow::{Result, anyhow};

use figures::Figures;

/// Options that all benches share.
#[derive(clap::Args)]
pub struct Args {
    /// Which one
    #[arg(value_parser = BENCHES.map(|(name, _)| name))]
    name: String,
    /// Print as the last line `{"bench":NAME,"figures":{...}}`
    #[arg(long)]
    json: bool,
    /// How often each case is run; the median counts [default: 3, or 1 where a run is made of many]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
}

/// Runs a case as often as the arguments say and returns the medians.
type Bench = fn(&Args) -> Result<Figures>;

/// A new bench is a new line here.
const BENCHES: [(&str, Bench); 3] = [
    ("demo", demo::run),
    ("distributed", distributed::run),
    ("sim", sim::run),
];

/// Runs the bench that was named.
pub fn run(args: &Args) -> Result<ExitCode> {
    let bench = BENCHES.into_iter().find(|(name, _)| *name == args.name);
    let (name, bench) = bench.ok_or_else(|| anyhow!("there is no bench {}", args.name))?;
    let figures = bench(args)?;
    println!("{}", figures.table());
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "bench": name, "figures": figures })
        );
    }
    Ok(ExitCode::SUCCESS)
}
