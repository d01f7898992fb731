//! A reader that is killed again and again in the middle of a full read, by SIGKILL at random moments: what it reads
//! twice, and that nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test's support")]
#![allow(clippy::print_stdout, reason = "a command talks by printing")]

use std::collections::BTreeSet;
use std::process::ExitCode;

use graph_sim::Sim;
use serde::Serialize;
use serde_json::Value;

use crate::inventory;
use crate::process::{Installation, Running, Simulator};
use crate::truth::Truth;

/// Users on a page, and pages for each kill: enough for it to happen in the middle.
const ON_PAGE: u32 = 10;
const PAGES: u32 = 10;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// How often it is killed
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Equal seeds draw equal moments, as far as requests can be counted
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one line of JSON and nothing else
    #[arg(long)]
    json: bool,
}

/// How it went.
#[derive(Debug, Serialize)]
pub struct Tally {
    /// Kills in the middle of the reading.
    pub kills: u32,
    /// Pages of the collection.
    pub pages: usize,
    /// Pages that were asked for again.
    pub reread_pages: usize,
    /// The most of them after one kill.
    pub most_after_a_kill: usize,
    /// Users that are missing in the inventory, or differ from the tenant's.
    pub lost: usize,
}

/// Runs it and prints how it went.
///
/// # Errors
/// None: what is wrong is in the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let tally = strike(args.kills, args.seed);
    let line = serde_json::to_string(&tally)?;
    match args.json {
        true => println!("{line}"),
        false => println!(
            "{} kills over {} pages: {} were read again, at most {} after one kill; {} users lost",
            tally.kills, tally.pages, tally.reread_pages, tally.most_after_a_kill, tally.lost
        ),
    }
    let good = tally.lost == 0 && tally.kills == args.kills;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Kills a `leastwise sync` so often while it reads a tenant for the first time, and then lets it come to its end.
pub fn strike(kills: u32, seed: u64) -> Tally {
    let users = kills.max(1) * PAGES * ON_PAGE;
    let sim = Simulator::in_scenario(users, seed, &format!("mostOnPage = {ON_PAGE}"));
    let home = Installation::of(&sim);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally {
        kills: 0,
        pages: 0,
        reread_pages: 0,
        most_after_a_kill: 0,
        lost: 0,
    };
    let mut asked = Vec::new();
    while tally.kills < kills {
        let until = requests(&sim) + random.u64(1..=14);
        let mut life = Running::start(&mut home.command(["sync"]));
        let mut ended = false;
        while requests(&sim) < until && !ended {
            ended = life.0.try_wait().unwrap().is_some();
        }
        // SIGKILL; whatever it was about to do is left undone.
        drop(life);
        asked = tally.note(&sim, &asked);
        if ended {
            break;
        }
        tally.kills += 1;
    }
    home.works(["sync"]);
    asked = tally.note(&sim, &asked);
    tally.pages = asked.iter().collect::<BTreeSet<_>>().len();
    let truth = Truth::of(&Sim::new(graph_sim::Config {
        users,
        seed,
        ..graph_sim::Config::default()
    }));
    let shown = inventory::read(&home.path("inventory"), "user");
    let there = truth.records("user");
    let known = there
        .iter()
        .filter(|(key, user)| shown.get(*key) == Some(user));
    tally.lost =
        there.len() - known.count() + shown.keys().filter(|k| !there.contains_key(*k)).count();
    tally
}

impl Tally {
    /// Counts what a life asked for that an earlier one had asked for. Returns all pages that were asked for.
    fn note(&mut self, sim: &Simulator, before: &[u64]) -> Vec<u64> {
        let asked = sim.pages();
        let known: BTreeSet<_> = before.iter().collect();
        let life = asked.iter().skip(before.len());
        let again = life.filter(|page| known.contains(page)).count();
        self.reread_pages += again;
        self.most_after_a_kill = self.most_after_a_kill.max(again);
        asked
    }
}

/// Requests that the simulator has seen.
fn requests(sim: &Simulator) -> u64 {
    let stats: Value = serde_json::from_str(&sim.control("GET", "stats", "")).unwrap();
    stats["requests"].as_u64().unwrap()
}
