//! What runs installations of real processes: built here, done by the program `distributed` of the package `tests`.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, command, passes};
use crate::{needs, workspace};

/// Everything that `distributed` and the tests start as a process.
pub const PACKAGES: [&str; 7] = [
    "tests",
    "leastwise",
    "graph-sim",
    "token-broker",
    "collector",
    "normalizer",
    "exporter",
];

/// `cargo xtask chaos`.
pub fn chaos(args: &[String]) -> Result<ExitCode> {
    let mut chaos = program(false)?;
    chaos.arg("chaos").args(args);
    Ok(match passes(&mut chaos)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// `cargo xtask year`. It needs no servers.
pub fn year(args: &[String]) -> Result<ExitCode> {
    eprintln!("a year takes some minutes");
    alone("year", args)
}

/// `cargo xtask killed`. It needs no servers.
pub fn killed(args: &[String]) -> Result<ExitCode> {
    alone("killed", args)
}

/// `cargo xtask scale`.
pub fn scale(args: &[String]) -> Result<ExitCode> {
    eprintln!("a thousand tenants take half an hour");
    let mut scale = program(true)?;
    scale.arg("scale").args(args);
    Ok(match passes(&mut scale)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// `cargo xtask upgrade`. The older release is built from its own sources, beside this one.
pub fn upgrade(from: &str) -> Result<ExitCode> {
    let home = workspace::target().join("older");
    let source = home.join("source");
    let git = |args: &[&str]| passes(command("git").arg("-C").arg(workspace::root()).args(args));
    let at = source.display().to_string();
    if source.exists() {
        git(&["worktree", "remove", "--force", &at])?;
    }
    if !git(&["worktree", "add", "--detach", &at, from])? {
        bail!("{from} can't be checked out");
    }
    let mut build = cargo();
    build.current_dir(&source).env("CARGO_TARGET_DIR", &home);
    build.args(["build", "--features", "server", "--bins"]);
    for service in ["token-broker", "collector", "normalizer", "exporter"] {
        build.args(["--package", service]);
    }
    let built = passes(&mut build)?;
    git(&["worktree", "remove", "--force", &at])?;
    if !built {
        bail!("{from} doesn't build");
    }
    let mut upgrade = program(false)?;
    upgrade
        .arg("upgrade")
        .arg("--older")
        .arg(home.join("debug"));
    Ok(match passes(&mut upgrade)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What the program does without servers.
fn alone(task: &str, args: &[String]) -> Result<ExitCode> {
    needs::c_compiler()?;
    if !passes(cargo().args(["build", "--package", "tests", "--bins"]))? {
        bail!("the tests' programs don't build");
    }
    // How it goes on is told on standard error: of interest where it fails.
    let done = command(built("debug")).arg(task).args(args).output();
    let done = done.context("start `distributed`")?;
    print!("{}", String::from_utf8_lossy(&done.stdout));
    if !done.status.success() {
        eprint!("{}", String::from_utf8_lossy(&done.stderr));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask dev up`.
pub fn dev_up(args: &[String]) -> Result<ExitCode> {
    // In place of this process, so that Ctrl-C reaches nobody who would not wait for the end.
    let failed = program(false)?.args(["dev", "up"]).args(args).exec();
    Err(failed).context("start `distributed`")
}

/// Installs what is missing, builds everything, and returns the program.
pub fn program(release: bool) -> Result<Command> {
    needs::c_compiler()?;
    needs::servers()?;
    let mut build = cargo();
    build.arg("build");
    build.args(PACKAGES.iter().flat_map(|name| ["--package", name]));
    if release {
        build.arg("--release");
    }
    if !passes(&mut build)? {
        bail!("the programs of an installation don't build");
    }
    let profile = if release { "release" } else { "debug" };
    Ok(command(built(profile)))
}

fn built(profile: &str) -> PathBuf {
    workspace::target().join(profile).join("distributed")
}
