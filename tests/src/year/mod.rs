//! A year of daily readings in simulated time, each way for an app registration to prove itself: what somebody has to do by
//! hand for it to go on, counted where it is done.
#![allow(clippy::unwrap_used, reason = "a test's support")]

mod calendar;
mod certificate;
mod federated;
mod imported;

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::world::{Setting, Setup, World, exit};
pub use calendar::Moment;
pub use certificate::Certificate;
pub use federated::Federated;
pub use imported::{Imported, Renewed};

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Days
    #[arg(long, default_value_t = 365)]
    pub days: u64,
    /// Users of the tenant
    #[arg(long, default_value_t = 40)]
    pub users: u32,
}

/// Runs it and prints a table.
///
/// # Errors
/// None that is not a panic: an installation that doesn't work is no figure.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let rows = all(args);
    println!("{HEAD}");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(ExitCode::SUCCESS)
}

/// Every way through the same year, side by side.
pub fn all(args: &Args) -> Vec<Row> {
    let ways: [Box<dyn Way>; 6] = [
        Box::new(Federated::default()),
        Box::new(Certificate::renewed(true)),
        Box::new(Certificate::renewed(false)),
        Box::new(Imported::new(Renewed::EveryEightHours)),
        Box::new(Imported::new(Renewed::OnceADay)),
        Box::new(Imported::new(Renewed::Never)),
    ];
    std::thread::scope(|scope| {
        let lives = ways.map(|way| scope.spawn(move || live(way, args)));
        lives.map(|life| life.join().unwrap()).into()
    })
}

/// A way to prove who asks, with the people and programs that it needs.
pub trait Way: Send {
    /// What the table calls it.
    fn name(&self) -> &'static str;
    /// The world that it works in.
    fn prepare(&self, setup: &mut Setup);
    /// Sets it up, which every way needs once and nobody counts.
    fn begin(&mut self, world: &mut World);
    /// Does what is to be done at a moment, before anything is read.
    fn at(&mut self, world: &mut World, moment: Moment, acts: &mut Acts);
    /// The reading of this moment failed.
    fn failed(&mut self) {}
}

/// What somebody did by hand, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    /// So that the tenant could be read on.
    pub needed: BTreeMap<&'static str, u32>,
    /// New keys of the token-broker's store: nothing ends without them.
    pub store_keys: u32,
}

impl Acts {
    fn by_hand(&mut self, what: &'static str) {
        *self.needed.entry(what).or_default() += 1;
    }

    /// How many were needed.
    pub fn count(&self) -> u32 {
        self.needed.values().sum()
    }
}

/// What a year came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// The way.
    pub way: &'static str,
    /// What was done by hand.
    pub acts: Acts,
    /// Days without a reading that succeeded.
    pub missed: u64,
    /// Readings that failed, by their code.
    pub failed: BTreeMap<String, u32>,
}

const HEAD: &str = "| way | acts by hand | missed days | which acts | new keys of the store | readings that failed |\n|---|---|---|---|---|---|";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |all: &mut dyn Iterator<Item = String>| match all.collect::<Vec<_>>() {
            none if none.is_empty() => "–".to_owned(),
            some => some.join(", "),
        };
        let acts = listed(
            &mut self
                .acts
                .needed
                .iter()
                .map(|(what, n)| format!("{n} × {what}")),
        );
        let failed = listed(&mut self.failed.iter().map(|(code, n)| format!("{n} × {code}")));
        let (way, count, missed) = (self.way, self.acts.count(), self.missed);
        let keys = self.acts.store_keys;
        write!(
            f,
            "| {way} | {count} | {missed} | {acts} | {keys} | {failed} |"
        )
    }
}

/// Lets one way live through the days. Each is read at one hour, and twice more where that failed; users only, because a
/// year is long.
pub fn live(mut way: Box<dyn Way>, args: &Args) -> Row {
    let mut setup = Setup::users(args.users);
    setup.paused = true;
    setup.datasets = Some(vec!["users"]);
    setup.sim.roles = vec!["User.Read.All".to_owned()];
    way.prepare(&mut setup);
    let mut world = World::new(Setting::Embedded, setup);
    way.begin(&mut world);
    let mut row = Row {
        way: way.name(),
        acts: Acts::default(),
        missed: 0,
        failed: BTreeMap::new(),
    };
    for day in 0..args.days {
        world.sim().advance(1);
        let mut read = false;
        for moment in calendar::moments(day) {
            moment.come(&mut world);
            way.at(&mut world, moment, &mut row.acts);
            if read || !moment.is_for_reading() {
                continue;
            }
            let code = match world.try_sync() {
                Ok(outcome) => exit(&outcome),
                Err(problem) => problem.code.into_owned(),
            };
            read = code == "0";
            if !read {
                *row.failed.entry(code).or_default() += 1;
                way.failed();
            }
        }
        row.missed += u64::from(!read);
    }
    if row.missed == 0 {
        world.has_as_far_as_tracked(&["user"], &world.truth());
    }
    row
}
