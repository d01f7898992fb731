//! Programs of others, pinned by hash, that tests of sinks run: what reads what a sink has written, and what plays the
//! system that it writes to. `cargo xtask needs` installs them below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

/// What `tests/sinks/python` pins, and the scripts beside the pins.
pub struct Python {
    pub(crate) home: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// `None` where it could not be installed because a registry could not be reached. That is said loudly, and a test
    /// can do no more than end. That nobody tried to install it is an error.
    pub fn installed() -> Result<Option<Self>> {
        Self::of("sinks-python", "tests/sinks/python")
    }

    /// What renders and judges manifests: `tests/deploy/python`. As [`Python::installed`].
    pub fn for_manifests() -> Result<Option<Self>> {
        Self::of("deploy-python", "tests/deploy/python")
    }

    fn of(folder: &str, scripts: &str) -> Result<Option<Self>> {
        let scripts = workspace().join(scripts);
        let home = installation(folder, &scripts.join("requirements.txt"))?;
        Ok(home.map(|home| Self { home, scripts }))
    }

    /// A program that came along.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.home.join("bin").join(name))
    }

    /// A command that runs a script of `tests/sinks/python`, for arguments and an environment to be added.
    pub fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.home.join("bin/python"));
        command
            .arg(self.scripts.join(name))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "127.0.0.1,localhost");
        command
    }

    /// Runs a script and returns what it printed; fails with what it said instead.
    pub fn run<A: AsRef<std::ffi::OsStr>>(&self, script: &str, arguments: &[A]) -> Result<String> {
        text(self.script(script).args(arguments), "")
    }

    /// As [`Python::run`], with `input` on its standard input.
    pub fn run_with_input(&self, script: &str, input: &str) -> Result<String> {
        text(&mut self.script(script), input)
    }
}

/// What `tests/deploy/node` pins: the schemas of extensions of Kubernetes.
pub struct Node {
    home: PathBuf,
    scripts: PathBuf,
}

impl Node {
    /// As [`Python::installed`].
    pub fn for_manifests() -> Result<Option<Self>> {
        let scripts = workspace().join("tests/deploy/node");
        let home = installation("deploy-node", &scripts.join("package-lock.json"))?;
        Ok(home.map(|home| Self { home, scripts }))
    }

    /// Runs a script with `input` on its standard input, and returns what it printed.
    pub fn run(&self, script: &str, input: &str) -> Result<String> {
        let mut node = Command::new("node");
        node.arg(self.scripts.join(script))
            .env("NODE_PATH", self.home.join("node_modules"));
        text(&mut node, input)
    }
}

/// What a command printed, or an error with what it said.
pub fn text(command: &mut Command, input: &str) -> Result<String> {
    run::text(command, input)
}

/// The installation in `target/clients`, if it is the one that `pins` wants.
pub(crate) fn installation(folder: &str, pins: &Path) -> Result<Option<PathBuf>> {
    let home = target().join("clients").join(folder);
    let wanted = fs::read_to_string(pins).with_context(|| format!("read {}", pins.display()))?;
    // The pins are followed by what they were installed for.
    if fs::read_to_string(home.join("installed")).is_ok_and(|is| is.starts_with(&wanted)) {
        return Ok(Some(home));
    }
    let Ok(why) = fs::read_to_string(home.join("unreachable")) else {
        bail!(
            "{} is not what {} pins: `cargo xtask needs` installs it",
            home.display(),
            pins.display()
        );
    };
    not_run(folder, &why);
    Ok(None)
}

/// Says loudly that something is missing that a test needs.
pub(crate) fn not_run(what: &str, why: &str) {
    let line = "!".repeat(100);
    println!("{line}\nNOT RUN: without {what}: {why}\n{line}");
}

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where cargo builds, as `cargo xtask` takes it.
fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    workspace().join(given.unwrap_or_else(|| PathBuf::from("target")))
}
