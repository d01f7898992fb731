//! Other people's readers of Microsoft 365, beside which Leastwise is measured.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::install::{Installed, PEERS};
use crate::command::{cargo, command, passes};
use crate::workspace::{root, target};

/// graph-rs-sdk's program of tests/peers, built with its own lockfile.
pub fn graph_rs() -> Result<PathBuf> {
    let target = target().join("peers");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--bin", "graph-rs"]);
    build
        .arg("--manifest-path")
        .arg(root().join("tests/peers/Cargo.toml"));
    build.arg("--target-dir").arg(&target);
    if !passes(&mut build)? {
        bail!("tests/peers doesn't build");
    }
    Ok(target.join("release/graph-rs"))
}

/// `cargo xtask reclamations`.
pub fn reclamations(args: &[String]) -> Result<ExitCode> {
    crate::needs::c_compiler()?;
    if !passes(cargo().args(["build", "--package", "tests", "--bins"]))? {
        bail!("the tests' programs don't build");
    }
    let graph_rs = graph_rs()?;
    let home = match PEERS.installed()? {
        Installed::At(home) => home,
        Installed::Not(why) => bail!("the readers in Python can't be had: {why}"),
    };
    let mut run = command(target().join("debug/distributed"));
    run.arg("reclamations").arg("--graph-rs").arg(graph_rs);
    run.arg("--python").arg(PEERS.interpreter(&home));
    run.arg("--scripts").arg(PEERS.scripts()).args(args);
    Ok(match passes(&mut run)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
