//! `cargo xtask bench`: figures for people, and one JSON line for machines.

mod broker;
mod child;
mod collector;
mod demo;
mod distributed;
mod exporter;
mod faults;
mod figures;
mod normalizer;
mod operation;
mod sim;
mod told;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use figures::Figures;

/// Options that all benches share.
#[derive(clap::Args)]
pub struct Args {
    /// Which one
    #[arg(value_parser = BENCHES.map(|(name, ..)| name))]
    name: String,
    /// Print as the last line `{"bench":NAME,"figures":{...}}`; of `broker` the figures alone and nothing before
    #[arg(long)]
    json: bool,
    /// Where `broker` writes: a directory on a disk [default: cargo's target directory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How often each case is run; the median counts [default: 3, or 1 where a run is made of many]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
}

/// Runs a case as often as the arguments say and returns the medians.
type Bench = fn(&Args) -> Result<Figures>;

/// What `--json` prints.
#[derive(Clone, Copy)]
enum Json {
    /// A last line below the table, with the figures by case.
    Below,
    /// The figures of the only case, and no table.
    Alone,
}

/// A new bench is a new line here.
const BENCHES: [(&str, Bench, Json); 13] = [
    ("broker", broker::run, Json::Alone),
    ("demo", demo::run, Json::Below),
    ("distributed", distributed::run, Json::Below),
    ("exporter", exporter::run, Json::Alone),
    ("faults", faults::run, Json::Alone),
    ("fairness", collector::fairness, Json::Alone),
    ("first-read", collector::first_read, Json::Alone),
    ("incremental", collector::incremental, Json::Alone),
    ("memory", collector::memory, Json::Alone),
    ("normalizer", normalizer::run, Json::Alone),
    ("operation", operation::run, Json::Alone),
    ("sim", sim::run, Json::Below),
    ("throttle", collector::throttle, Json::Alone),
];

/// Runs the bench that was named.
pub fn run(args: &Args) -> Result<ExitCode> {
    let bench = BENCHES.into_iter().find(|(name, ..)| *name == args.name);
    let (name, bench, json) = bench.ok_or_else(|| anyhow!("there is no bench {}", args.name))?;
    let figures = bench(args)?;
    match json {
        Json::Alone if args.json => println!("{}", serde_json::json!(figures.of(name))),
        _ => println!("{}", figures.table()),
    }
    if let (Json::Below, true) = (json, args.json) {
        println!(
            "{}",
            serde_json::json!({ "bench": name, "figures": figures })
        );
    }
    Ok(ExitCode::SUCCESS)
}
