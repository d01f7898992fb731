//! The kill test: an installation of real processes over real servers is struck again and again while it works, and
//! has to come to rest with every sink equal to the truth.

mod audit;
mod check;
mod plan;
mod round;
mod strike;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::cluster::Servers;
use plan::Plan;
use tally::Tally;

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rounds to go
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Equal seeds plan equal rounds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first round; without it, the one after the last that the state file knows
    #[arg(long)]
    first: Option<u64>,
    /// Goes on from this file, and notes there what is done
    #[arg(long)]
    state: Option<PathBuf>,
    /// Takes a rule of the protocol out of every process: the test has to find that
    #[arg(long, value_name = "RULE")]
    bug: Option<String>,
    /// Users of each tenant
    #[arg(long, default_value_t = 1_300)]
    users: u32,
    /// Tenants
    #[arg(long, default_value_t = 3)]
    tenants: u16,
    /// Leaves the files of a round that failed where they are
    #[arg(long)]
    keep: bool,
}

/// Runs it.
///
/// # Errors
/// When the servers can't be started, or a process can't.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let servers = Servers::start()?;
    let mut tally = match &args.state {
        Some(path) => Tally::load(path, args.seed)?,
        None => Tally::default(),
    };
    let first = args.first.unwrap_or(tally.rounds);
    let mut failed = 0_u32;
    for round in first..first + args.rounds {
        let plan = Plan::of(args.seed, round, &tally);
        let started = tokio::time::Instant::now();
        match runtime.block_on(round::run(&servers, &plan, args, &mut tally)) {
            Ok(()) => {
                let strikes: Vec<String> = plan
                    .days
                    .iter()
                    .flatten()
                    .map(|s| format!("{} at the {}", s.fault, s.stage.service()))
                    .collect();
                println!(
                    "round {round}: {} ({:.1} s)",
                    strikes.join(", "),
                    started.elapsed().as_secs_f64()
                );
            }
            Err(e) => {
                failed += 1;
                println!("round {round} FAILED: {e:#}\n  the plan: {:?}", plan.days);
                println!(
                    "  again: cargo xtask chaos --seed {} --first {round} --rounds 1 --keep{}",
                    args.seed,
                    args.bug
                        .as_ref()
                        .map(|b| format!(" --bug {b}"))
                        .unwrap_or_default()
                );
                if args.bug.is_some() {
                    println!("the bug was found in round {round}");
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        tally.rounds = round + 1;
        if let Some(path) = &args.state {
            tally.save(path, args.seed)?;
        }
    }
    println!(
        "\nstruck with work in flight, after {} rounds:\n{}",
        tally.rounds,
        tally.table()
    );
    println!("{} rounds, {failed} failed", args.rounds);
    Ok(match (failed, &args.bug) {
        (0, None) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
