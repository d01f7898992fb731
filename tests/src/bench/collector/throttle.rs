//! How much of a budget that binds is used, and how much is refused: in virtual time, by the product's own pace.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use graph_sim::{RetryAfter, Sim, Summary, Throttling, Window};
use runtime::Clock;
use runtime::db::Durability;

use super::Figures;
use crate::desk::{self, Desk, Setup};
use crate::network::{BASE, Network};
use crate::world::ORIGIN;

/// What the bench is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Windows of the budget that each case lasts; in the middle third half is allowed
    #[arg(long, default_value_t = 180)]
    windows: u32,
    /// Seeds, each for all cases
    #[arg(long, value_delimiter = ',', default_values_t = [7_001])]
    seeds: Vec<u64>,
    /// Print each case
    #[arg(long)]
    cases: bool,
}

/// What is read again and again, and the budget that it is paid from.
#[derive(Clone, Copy, Debug)]
enum Load {
    Reports,
    Intune,
    Members,
    Users,
}

impl Load {
    fn dataset(self) -> &'static str {
        match self {
            Load::Reports => "activeUsers",
            Load::Intune => "managedDevices",
            Load::Members => "groupMembers",
            Load::Users => "users",
        }
    }

    /// The documented budget: seconds of its window, and the amount for a tenant of so many users.
    fn documented(self, users: u32) -> (u32, f64) {
        let identity = match users {
            0..50 => 3_500.0,
            50..=500 => 5_000.0,
            _ => 8_000.0,
        };
        match self {
            Load::Reports => (600, 14.0),
            Load::Intune => (20, 2_000.0),
            Load::Members | Load::Users => (10, identity),
        }
    }

    /// Our part: others are left a fifth of what they have a limit with us of.
    fn ours(self) -> f64 {
        match self {
            Load::Reports | Load::Intune => 0.8,
            Load::Members | Load::Users => 1.0,
        }
    }

    /// What budgets are divided by, so that they bind, and stay whole requests when they are halved.
    fn divisor(self) -> f64 {
        match self {
            Load::Reports => 1.0,
            Load::Intune => 83.333_333_333,
            Load::Members => 62.5,
            Load::Users => 125.0,
        }
    }

    /// Users of tenants of each size that its limits differ by.
    fn sizes(self) -> &'static [u32] {
        match self {
            Load::Reports | Load::Intune => &[300],
            Load::Members | Load::Users => &[40, 300, 600],
        }
    }
}

const LOADS: [Load; 4] = [Load::Reports, Load::Intune, Load::Members, Load::Users];
const WINDOWS: [Window; 3] = [Window::Fixed, Window::Sliding, Window::Bucket];

#[derive(Clone, Copy, Debug)]
struct Case {
    load: Load,
    window: Window,
    headers: bool,
    users: u32,
    seed: u64,
}

/// Shares of one case.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    used: f64,
    throttled: f64,
}

/// Measures; each figure is the worst case.
pub(super) fn measure(args: &Args) -> Result<Figures> {
    let mut cases = Vec::new();
    for &seed in &args.seeds {
        for (load, window) in LOADS.iter().flat_map(|l| WINDOWS.map(|w| (*l, w))) {
            for (&users, headers) in load.sizes().iter().flat_map(|u| [(u, true), (u, false)]) {
                cases.push(Case {
                    load,
                    window,
                    headers,
                    users,
                    seed,
                });
            }
        }
    }
    let (left, done) = (Mutex::new(cases), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| -> Result<()> {
        let work = || -> Result<()> {
            loop {
                let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(case) = next else { return Ok(()) };
                let outcome = run(case, args.windows).with_context(|| format!("{case:?}"))?;
                if args.cases {
                    tell(case, outcome);
                }
                done.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((case.headers, outcome));
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let of = |headers| done.iter().filter(move |d| d.0 == headers).map(|d| d.1);
    let used = |headers| of(headers).map(|o| o.used).fold(f64::MAX, f64::min);
    let throttled = |headers| of(headers).map(|o| o.throttled).fold(0.0, f64::max);
    Ok(Figures::from([
        ("budget_used_share", used(true)),
        ("budget_used_share_without_headers", used(false)),
        ("throttled_share", throttled(true)),
        ("throttled_share_without_headers", throttled(false)),
    ]))
}

#[expect(clippy::print_stderr, reason = "what the command prints")]
fn tell(case: Case, outcome: Outcome) {
    eprintln!("{case:?} {outcome:?}");
}

fn run(case: Case, windows: u32) -> Result<Outcome> {
    let home = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(spend(case, windows, home.path()))
}

async fn spend(case: Case, windows: u32, home: &Path) -> Result<Outcome> {
    let (seconds, amount) = case.load.documented(case.users);
    let throttling = |part: f64| Throttling {
        divisor: case.load.divisor() / part,
        window: case.window,
        headers: case.headers,
        retry_after: match case.headers {
            true => RetryAfter::Graph,
            false => RetryAfter::Absent,
        },
        intune_as_500: !case.headers,
        ..Throttling::default()
    };
    let needs = catalog::ALL.iter().flat_map(|d| d.needs);
    let sim = Sim::new(graph_sim::Config {
        users: case.users,
        seed: case.seed,
        base: Some(BASE.to_owned()),
        start: Some(ORIGIN / 1_000_000),
        // What a request costs here is time of ours.
        most_on_page: Some(20),
        roles: needs.map(|need| need.least.to_owned()).collect(),
        ..graph_sim::Config::default()
    });
    // Windows of the server's begin anywhere.
    let offset = Duration::from_millis(case.seed * 7_919 % (u64::from(seconds) * 1_000));
    sim.tick(offset);
    let clock = Clock::starting_at(ORIGIN + u64::try_from(offset.as_micros())?);
    let network = Network::new(sim.clone());
    network.follow(clock.clone(), ORIGIN);
    let mut desk = Desk::start(Setup {
        config: collector::Config {
            lateness_seconds: 0,
            scheduled: false,
            ..collector::Config::default()
        },
        tenants: sim.tenants(),
        datasets: &[case.load.dataset()],
        http: network.outbound(),
        clock: clock.clone(),
        db: desk::database(home, Durability::Normal).await?,
        alone: true,
        keep: false,
    });
    let third = Duration::from_secs((seconds * windows / 3).into());
    let (mut allowed, mut asked) = (0.0, Summary::default());
    for part in [1.0, 0.5, 1.0] {
        sim.throttle(Some(throttling(part)));
        // There is no part of a request.
        let share = (case.load.ours() * amount / case.load.divisor() * part + 1e-6).floor();
        allowed += share * f64::from(windows / 3);
        let end = tokio::time::sleep(third);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = desk.sealed() => desk.make_due().await,
            }
        }
        asked = sim.summary();
    }
    desk.stop().await;
    let (mut served, mut refused, mut all) = (0.0, 0.0, 0.0);
    for (path, sums) in &asked.paths {
        if !counts(case.load, path) {
            continue;
        }
        let lost = sums.throttled + sums.failed;
        let cost = if path.ends_with("/members") { 2.0 } else { 1.0 };
        served += (sums.requests - lost) as f64 * cost;
        refused += lost as f64;
        all += sums.requests as f64;
    }
    Ok(Outcome {
        used: served / allowed,
        throttled: refused / all,
    })
}

/// Whether requests of a path are paid from the budget.
fn counts(load: Load, path: &str) -> bool {
    if path.contains("/oauth2/") || path.ends_with("/$batch") {
        return false;
    }
    match load {
        Load::Reports => path.contains("/reports/get"),
        Load::Intune => path.contains("/deviceManagement/"),
        Load::Members | Load::Users => path.contains("/users") || path.contains("/groups"),
    }
}
