//! The simulator as a process of its own, measured by its example `measure`.

use anyhow::{Context, Result, bail};

use super::Args;
use super::figures::{Figures, Sample};
use crate::command::{cargo, command, passes, passes_with_output};

/// Speed is users for each second of the simulator's CPU time, at `$top=999` with what the collector selects; memory is
/// the peak with a million users in 200 tenants while everything has been used.
pub fn run(args: &Args) -> Result<Figures> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "graph-sim"]);
    build.args(["--bin", "graph-sim", "--example", "measure"]);
    if !passes(&mut build)? {
        bail!("graph-sim does not build");
    }
    let release = crate::workspace::target().join("release");
    let mut runs = Vec::new();
    for _ in 0..args.runs.unwrap_or(1) {
        let mut measure = command(release.join("examples/measure"));
        let (ok, printed) = passes_with_output(measure.arg(release.join("graph-sim")))?;
        if !ok {
            bail!("measuring graph-sim failed");
        }
        let line = printed.lines().rev().find(|line| line.starts_with('{'));
        let sample: Sample = serde_json::from_str(line.context("the bench printed no figures")?)
            .context("read the figures")?;
        runs.push(sample);
    }
    let mut figures = Figures::default();
    figures.add("sim".to_owned(), &runs);
    Ok(figures)
}
