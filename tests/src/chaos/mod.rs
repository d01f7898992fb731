//! The kill test: an installation of real processes over real servers is struck again and again while it works, and
//! has to come to rest with every sink equal to the truth.

mod audit;
mod check;
mod plan;
mod round;
mod strike;
mod tally;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::cluster::Servers;
pub(crate) use audit::watch;
pub(crate) use check::{Presence, Round};
use plan::Plan;
pub(crate) use round::judged;
pub(crate) use strike::Field;
use tally::Tally;

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Rounds to go
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Rounds at the same time, each with servers of its own
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// Equal seeds plan equal rounds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first round; without it, the one after the last that the state file knows
    #[arg(long)]
    first: Option<u64>,
    /// Goes on from this file, and notes there what is done
    #[arg(long)]
    state: Option<PathBuf>,
    /// Only this round, as a failed one printed it
    #[arg(long, value_name = "JSON")]
    plan: Option<Plan>,
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
    let tally = match &args.state {
        Some(path) => Tally::load(path, args.seed)?,
        None => Tally::default(),
    };
    let first = args.first.unwrap_or(tally.rounds);
    let rounds = args.plan.as_ref().map_or(args.rounds, |_| 1);
    let campaign = Campaign {
        args,
        rounds: Mutex::new(first..first + rounds),
        score: Mutex::new(Score { tally, failed: 0 }),
    };
    std::thread::scope(|scope| {
        let fronts: Vec<_> = (0..args.jobs.clamp(1, rounds.max(1)))
            .map(|_| scope.spawn(|| campaign.front()))
            .collect();
        let mut ended = fronts.into_iter().map(|front| front.join());
        ended.try_for_each(|e| e.unwrap_or_else(|_| bail!("a front broke down")))
    })?;
    let Score { tally, failed } = campaign
        .score
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    println!(
        "\nstruck with work in flight, after {} rounds:\n{}",
        tally.rounds,
        tally.table()
    );
    println!("{rounds} rounds, {failed} failed");
    // A bug has to be found.
    Ok(match (failed > 0) == args.bug.is_some() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Rounds that are fought on several fronts, each with servers of its own.
struct Campaign<'a> {
    args: &'a Args,
    rounds: Mutex<Range<u64>>,
    score: Mutex<Score>,
}

struct Score {
    tally: Tally,
    failed: u32,
}

impl Campaign<'_> {
    fn front(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let servers = Servers::start()?;
        while let Some(round) = self.next() {
            let planned = || Plan::of(self.args.seed, round, &lock(&self.score).tally);
            let plan = self.args.plan.clone().unwrap_or_else(planned);
            let (mut hits, started) = (Tally::default(), Instant::now());
            let outcome = runtime.block_on(round::run(&servers, &plan, self.args, &mut hits));
            self.note(round, &plan, &hits, started, outcome)?;
        }
        Ok(())
    }

    fn next(&self) -> Option<u64> {
        let found = self.args.bug.is_some() && lock(&self.score).failed > 0;
        lock(&self.rounds).next().filter(|_| !found)
    }

    #[expect(clippy::print_stdout, reason = "what the command prints")]
    fn note(
        &self,
        round: u64,
        plan: &Plan,
        hits: &Tally,
        started: Instant,
        outcome: Result<()>,
    ) -> Result<()> {
        let mut score = lock(&self.score);
        score.tally.add(hits);
        score.tally.rounds += 1;
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("round {round}: {} ({seconds:.1} s)", plan.strikes()),
            Err(e) => {
                score.failed += 1;
                println!("round {round} FAILED: {e:#}");
                let bug: String = self
                    .args
                    .bug
                    .iter()
                    .map(|b| format!(" --bug {b}"))
                    .collect();
                println!("  again: cargo xtask chaos --keep{bug} --plan '{plan}'");
            }
        }
        match &self.args.state {
            Some(path) => score.tally.save(path, self.args.seed),
            None => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
