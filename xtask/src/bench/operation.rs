//! What operation costs and gives, measured by the program `distributed`.

use super::Args;
use super::figures::Figures;
use super::told;
use crate::command::{cargo, command, passes};
use crate::workspace::target;
use anyhow::{Result, bail};

/// Ratios are medians of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "tests", "--bins"]);
    if !passes(&mut build)? {
        bail!("the bench doesn't build");
    }
    told::case(args, "operation", || {
        let mut bench = command(target().join("release/distributed"));
        bench.arg("bench-operation");
        bench
    })
}
