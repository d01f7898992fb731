//! At 3 am: faults in an installation that runs, how long it takes until an alert names them, and whether what the runbook says
//! ends it.
#![allow(clippy::unwrap_used, reason = "a bench's support")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes are looked at again and again, in real time"
)]

mod causes;
mod fault;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use super::Watched;
use crate::dev;
use fault::{Fault, Seen};

/// As in production.
const SECONDS: u64 = 15;
/// How often a process' page and Prometheus are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A fault that nobody sees, or an alert that does not end, within this time has failed.
const LIMIT: Duration = Duration::from_secs(1_500);

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only the faults with these names
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Injects each fault, and prints the figures as one line of JSON.
///
/// # Errors
/// When a fault is not alerted, or not repaired.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the command prints"
)]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let home = tempfile::tempdir()?;
    let world = causes::World::new(&runtime, home.path())?;
    let installation = dev::Args {
        replicas: 1,
        tenants: causes::TENANTS,
        users: 60,
        seed: 5,
        unscheduled: false,
        otlp: None,
        log: None,
    };
    let watched = Watched::start(&installation, SECONDS, &|service, text| {
        world.adjusted(service, text)
    })?;
    world.register(&watched)?;
    watched.sync()?;
    let chosen =
        |fault: &Fault| args.only.is_empty() || args.only.iter().any(|name| name == fault.name);
    let mut figures = BTreeMap::new();
    let mut times = Vec::new();
    // Those that concern a tenant or a sink of their own at once, those that stop everybody alone.
    for together in world.faults(&watched) {
        let together: Vec<Fault> = together.into_iter().filter(chosen).collect();
        for seen in struck(&watched, &world, &together)? {
            eprintln!("{seen}");
            times.push(seen.alerted);
            figures.insert(
                format!("alert_s_{}", seen.name.replace('-', "_")),
                seen.alerted,
            );
            figures.insert(format!("over_s_{}", seen.name.replace('-', "_")), seen.over);
        }
    }
    times.sort_by(f64::total_cmp);
    figures.insert("faults".into(), times.len() as f64);
    figures.insert(
        "alert_s_median".into(),
        *times.get(times.len() / 2).context("no faults")?,
    );
    figures.insert("alert_s_worst".into(), *times.last().context("no faults")?);
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

/// Injects faults, waits until each is alerted, repairs them, and waits until each alert is over.
fn struck(watched: &Watched, world: &causes::World, faults: &[Fault]) -> Result<Vec<Seen>> {
    for fault in faults {
        (fault.inject)(watched, world).with_context(|| format!("inject {}", fault.name))?;
    }
    let (mut seen, repaired) = std::thread::scope(|scope| -> Result<(Vec<Seen>, Instant)> {
        // Whoever notices is who reads; it may wait for what is out of order.
        let reading = scope.spawn(|| watched.sync());
        let seen = alerted(watched, faults)?;
        for fault in faults {
            (fault.repair)(watched, world).with_context(|| format!("repair {}", fault.name))?;
        }
        let repaired = Instant::now();
        reading
            .join()
            .map_err(|_| anyhow::anyhow!("reading panicked"))??;
        Ok((seen, repaired))
    })?;
    if !faults.is_empty() {
        watched.sync()?;
        over(watched, faults, repaired, &mut seen)?;
    }
    Ok(seen)
}

fn alerted(watched: &Watched, faults: &[Fault]) -> Result<Vec<Seen>> {
    let begun = Instant::now();
    let mut shown: Vec<Option<Instant>> = vec![None; faults.len()];
    let mut seen: Vec<Option<Seen>> = faults.iter().map(|_| None).collect();
    while seen.iter().any(Option::is_none) {
        if begun.elapsed() > LIMIT {
            let missing = faults
                .iter()
                .zip(&seen)
                .zip(&shown)
                .filter(|((_, seen), _)| seen.is_none());
            let names: Vec<_> = missing
                .map(|((f, _), shown)| format!("{} (shown: {})", f.name, shown.is_some()))
                .collect();
            anyhow::bail!(
                "no alert for {names:?}; what fires:\n{}",
                watched.what_fires()
            );
        }
        for (n, fault) in faults.iter().enumerate() {
            if seen[n].is_some() {
                continue;
            }
            if shown[n].is_none() && fault.is_shown(watched) {
                shown[n] = Some(Instant::now());
            }
            if let (Some(since), Some(alert)) = (shown[n], fault.alert(watched)?) {
                fault.is_named(&alert)?;
                seen[n] = Some(Seen {
                    name: fault.name,
                    alert: fault.alert,
                    summary: alert["annotations"]["summary"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    alerted: since.elapsed().as_secs_f64(),
                    over: 0.0,
                });
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(seen.into_iter().flatten().collect())
}

/// How long each alert goes on after everything was repaired and, until somebody looks, read again.
fn over(watched: &Watched, faults: &[Fault], repaired: Instant, seen: &mut [Seen]) -> Result<()> {
    let mut left: Vec<usize> = (0..faults.len()).collect();
    while !left.is_empty() {
        anyhow::ensure!(
            repaired.elapsed() < LIMIT,
            "these alerts don't end: {:?}\n{}",
            left.iter().map(|n| faults[*n].name).collect::<Vec<_>>(),
            watched.what_fires()
        );
        let mut still = Vec::new();
        for n in left {
            match faults[n].alert(watched)? {
                Some(_) => still.push(n),
                None => seen[n].over = repaired.elapsed().as_secs_f64(),
            }
        }
        left = still;
        std::thread::sleep(LOOK);
    }
    Ok(())
}
