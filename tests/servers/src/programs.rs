//! Where the servers' programs are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Debian's packages that bring the programs this crate starts, as far as they are not installed.
pub fn missing() -> Vec<&'static str> {
    let mut packages = Vec::new();
    if postgres().is_err() {
        packages.push("postgresql");
    }
    if rabbitmq().is_err() || erl_call().is_err() {
        packages.push("rabbitmq-server");
    }
    if softhsm().is_err() {
        packages.push("softhsm2");
    }
    if prometheus().is_err() || promtool().is_err() {
        packages.push("prometheus");
    }
    packages
}

/// The directory of the newest PostgreSQL's programs. (Those in PATH are wrappers that look for Debian's clusters.)
pub fn postgres() -> Result<PathBuf> {
    newest("/usr/lib/postgresql", "", "bin/postgres")
        .context("PostgreSQL is not installed: `cargo xtask needs` installs it")
}

/// The directory of the newest RabbitMQ's programs. (Those in PATH are wrappers that change to another user.)
pub fn rabbitmq() -> Result<PathBuf> {
    newest(
        "/usr/lib/rabbitmq/lib",
        "rabbitmq_server-",
        "sbin/rabbitmq-server",
    )
    .context("RabbitMQ is not installed: `cargo xtask needs` installs it")
}

/// Erlang's program that evaluates an expression in a running node.
pub fn erl_call() -> Result<PathBuf> {
    ["/usr/bin/erl_call", "/usr/lib/erlang/bin/erl_call"]
        .into_iter()
        .map(PathBuf::from)
        .find(|program| program.exists())
        .context(
            "Erlang's erl_call is not installed: `cargo xtask needs` installs it with RabbitMQ",
        )
}

/// The library of SoftHSM. (Debian's package of its programs brings it too.)
pub fn softhsm() -> Result<PathBuf> {
    let library = PathBuf::from("/usr/lib/softhsm/libsofthsm2.so");
    let there = library.exists() && Path::new("/usr/bin/softhsm2-util").exists();
    there
        .then_some(library)
        .context("SoftHSM is not installed: `cargo xtask needs` installs it")
}

/// Prometheus.
pub fn prometheus() -> Result<PathBuf> {
    installed("prometheus")
}

/// What checks Prometheus' rules and tries them.
pub fn promtool() -> Result<PathBuf> {
    installed("promtool")
}

/// A program of Debian's package of Prometheus.
fn installed(name: &str) -> Result<PathBuf> {
    let program = Path::new("/usr/bin").join(name);
    program
        .exists()
        .then_some(program)
        .with_context(|| format!("{name} is not installed: `cargo xtask needs` installs it"))
}

/// The directory of `program` in the entry of `base` that has the highest version behind `prefix`.
fn newest(base: &str, prefix: &str, program: &str) -> Option<PathBuf> {
    let version = |path: &Path| -> Option<Vec<u32>> {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
        name.split('.').map(|part| part.parse().ok()).collect()
    };
    let (_, program) = std::fs::read_dir(base)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| Some((version(&path)?, path.join(program))))
        .filter(|(_, program)| program.exists())
        .max()?;
    Some(program.parent()?.to_owned())
}
