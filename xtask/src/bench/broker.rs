//! The token-broker as a process of its own against the simulator, measured by the program `distributed`.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::Args;
use super::figures::{Figures, Sample};
use crate::command::{cargo, command, passes};
use crate::workspace::target;

/// Ratio and speeds are medians of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let mut build = cargo();
    build.args(["build", "--release"]);
    build.args(["--package", "tests", "--package", "token-broker", "--bins"]);
    if !passes(&mut build)? {
        bail!("the token-broker and its bench don't build");
    }
    // Beside what cargo writes, which is on a disk where a temporary directory may not be.
    let dir = args.dir.clone().unwrap_or_else(target);
    let mut runs = Vec::new();
    for _ in 0..args.runs.unwrap_or(1) {
        let mut bench = command(target().join("release/distributed"));
        bench.args(["bench-broker", "--dir"]).arg(&dir);
        // What it prints is read here and printed once, as the caller asked for it; where it is goes to standard error.
        let ran = bench.stderr(Stdio::inherit()).output();
        let ran = ran.context("start `distributed`")?;
        if !ran.status.success() {
            bail!("the bench failed");
        }
        let printed = String::from_utf8_lossy(&ran.stdout);
        let line = printed.lines().rev().find(|line| line.starts_with('{'));
        let sample: Sample = serde_json::from_str(line.context("the bench printed no figures")?)
            .context("read the figures")?;
        runs.push(sample);
    }
    let mut figures = Figures::default();
    figures.add("broker".to_owned(), &runs);
    Ok(figures)
}
