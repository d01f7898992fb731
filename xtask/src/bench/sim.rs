//! The simulator as a process of its own, measured by its example `measure`.

use anyhow::{Result, bail};

use super::Args;
use super::figures::Figures;
use super::told;
use crate::command::{cargo, command, passes};

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
    told::case(args, "sim", || {
        let mut measure = command(release.join("examples/measure"));
        measure.arg(release.join("graph-sim"));
        measure
    })
}
