//! The whole pipeline in one process, from a simulated tenant to files: `leastwise demo`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Args;
use super::child::measure;
use super::figures::{Figures, Sample};
use crate::command::{cargo, command, passes};

const USERS: [u32; 2] = [10_000, 100_000];

/// Builds the command people type and runs its first sync for each size.
pub fn run(args: &Args) -> Result<Figures> {
    if !passes(cargo().args(["build", "--release", "--package", "leastwise"]))? {
        bail!("leastwise does not build");
    }
    let mut figures = Figures::default();
    let count = args.runs.unwrap_or(3);
    for users in USERS {
        let mut runs = Vec::new();
        for run in 1..=count {
            eprintln!("demo with {users} users, run {run} of {count}");
            runs.push(sample(users)?);
        }
        figures.add(format!("{users} users"), &runs);
    }
    Ok(figures)
}

fn sample(users: u32) -> Result<Sample> {
    let out = tempfile::tempdir().context("create a directory for the demo's output")?;
    let mut demo = command(crate::workspace::target().join("release/leastwise"));
    demo.args([
        "demo",
        "--seed",
        "7",
        "--steps",
        "0",
        "--users",
        &users.to_string(),
        "--out",
    ])
    .arg(out.path());
    let usage = measure(&mut demo)?;
    if !out.path().join("inventory/manifest.json").is_file() {
        bail!("the demo ended without writing inventory/manifest.json");
    }
    let stats = read_stats(out.path())?;
    let synced = stats
        .as_ref()
        .map_or((f64::from(users), usage.wall_seconds), |stats| {
            (stats.users, stats.seconds)
        });
    let mut sample = Sample::from([
        ("wall_s".to_owned(), usage.wall_seconds),
        ("cpu_s".to_owned(), usage.cpu_seconds),
        ("peak_mib".to_owned(), usage.peak_mib),
        ("users_per_s".to_owned(), synced.0 / synced.1),
    ]);
    let stages = stats.into_iter().flat_map(|stats| stats.stages);
    sample.extend(stages.map(|(stage, seconds)| (format!("{stage}_cpu_s"), seconds)));
    Ok(sample)
}

/// What the demo says about its first sync, without building the simulated tenant.
#[derive(Deserialize)]
struct Stats {
    seconds: f64,
    users: f64,
    /// CPU seconds by stage.
    stages: BTreeMap<String, f64>,
}

/// `None` where the demo wrote none; then the whole run counts.
fn read_stats(out: &Path) -> Result<Option<Stats>> {
    let path = out.join("stats.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).context("read stats.json")?;
    serde_json::from_str(&text)
        .context("parse stats.json")
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_are_optional_but_must_be_well_formed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_stats(dir.path()).unwrap().is_none());
        let path = dir.path().join("stats.json");
        std::fs::write(
            &path,
            r#"{"seconds":2.5,"users":1000,"stages":{"simulator":0.5,"queue":0.25}}"#,
        )
        .unwrap();
        let stats = read_stats(dir.path()).unwrap().unwrap();
        assert_eq!(
            (stats.seconds, stats.users, stats.stages["queue"]),
            (2.5, 1000.0, 0.25)
        );
        std::fs::write(&path, "{}").unwrap();
        assert!(read_stats(dir.path()).is_err());
    }
}
