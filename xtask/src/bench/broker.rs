//! The token-broker as a process of its own against the simulator, measured by the program `distributed`.

use anyhow::{Result, bail};

use super::Args;
use super::figures::Figures;
use super::told;
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
    told::case(args, "broker", || {
        let mut bench = command(target().join("release/distributed"));
        bench.args(["bench-broker", "--dir"]).arg(&dir);
        bench
    })
}
