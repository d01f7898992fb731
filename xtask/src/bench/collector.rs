//! The collector alone before the simulator, measured by the program `distributed`.

use super::Args;
use super::figures::Figures;
use super::told;
use crate::clients::peers;
use crate::command::{cargo, command, passes};
use crate::workspace::target;
use anyhow::{Result, bail};

/// The first reading of a large tenant, beside graph-rs-sdk.
pub fn first_read(args: &Args) -> Result<Figures> {
    let peer = peers::graph_rs()?;
    run(args, "first-read", &["--peer", &peer.to_string_lossy()])
}

/// A day's changes of a large tenant, over a full reading.
pub fn incremental(args: &Args) -> Result<Figures> {
    run(args, "incremental", &[])
}

/// Whether small tenants wait for a large one, by two collectors in simulated time.
pub fn fairness(args: &Args) -> Result<Figures> {
    run(args, "fairness", &[])
}

/// Memory while a million users of one tenant are read.
pub fn memory(args: &Args) -> Result<Figures> {
    run(args, "memory", &[])
}

/// Budgets that bind: how much of them is used, and how much is refused.
pub fn throttle(args: &Args) -> Result<Figures> {
    run(args, "throttle", &[])
}

/// Ratios and speeds are medians of interleaved pairs within one run; `--runs` repeats the whole.
fn run(args: &Args, name: &str, options: &[&str]) -> Result<Figures> {
    let mut build = cargo();
    build.args(["build", "--release"]);
    build.args(["--package", "tests", "--package", "graph-sim", "--bins"]);
    if !passes(&mut build)? {
        bail!("the collector and its bench don't build");
    }
    told::case(args, name, || {
        let mut bench = command(target().join("release/distributed"));
        bench.args(["bench-collector", name]).args(options);
        bench
    })
}
