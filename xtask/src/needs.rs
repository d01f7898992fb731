//! What the machine must have beyond Rust's compiler, and how it gets it.

use anyhow::{Result, bail};

use crate::clients;
use crate::command::{cargo, command, passes, succeeds};

/// SQLite and the TLS library are C. (No cmake: the TLS library builds without.)
const C_COMPILER: (&str, [&str; 2]) = ("cc", ["gcc", "libc6-dev"]);

/// A C compiler, installed by apt if it is missing.
pub fn c_compiler() -> Result<()> {
    let (program, packages) = C_COMPILER;
    let own = std::env::var_os("CC").is_some_and(|cc| succeeds(command(cc).arg("--version")));
    if own || succeeds(command(program).arg("--version")) {
        return Ok(());
    }
    if !passes(command(".ci/apt").args(packages))? {
        bail!("there is no C compiler, and installing one failed");
    }
    Ok(())
}

/// RabbitMQ, PostgreSQL, Prometheus and SoftHSM: tests start servers and make devices of their own from the programs. Their packages
/// start no service here.
pub fn servers() -> Result<()> {
    let packages = servers::missing();
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!(
        "tests start servers and make devices of their own; not installed yet: {}",
        packages.join(", ")
    );
    let installed = passes(command(".ci/apt").args(&packages))?;
    if !installed || !servers::missing().is_empty() {
        bail!(
            "without {} the tests that use them can't run, and installing failed",
            packages.join(" and ")
        );
    }
    Ok(())
}

/// Python with what makes a private environment, which Debian ships apart; 3.11 is what the clients are pinned for.
pub fn python() -> Result<()> {
    let probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let there = || succeeds(command("python3").args(["-c", probe]));
    if !there() && (!passes(command(".ci/apt").args(["python3", "python3-venv"]))? || !there()) {
        bail!("there is no Python of 3.11 or later with venv, and installing it failed");
    }
    Ok(())
}

/// What installs clients for Node, and the Node they run on.
pub fn npm() -> Result<()> {
    let there = || succeeds(command("npm").arg("--version"));
    if !there() && (!passes(command(".ci/apt").args(["nodejs", "npm"]))? || !there()) {
        bail!("there is no npm, and installing it failed");
    }
    Ok(())
}

/// What builds images and runs pods. Tests that run pods skip that loudly without.
pub fn containers() -> Result<()> {
    let there = || {
        succeeds(command("podman").arg("--version"))
            && succeeds(command("buildah").arg("--version"))
    };
    if !there() && (!passes(command(".ci/apt").args(servers::podman::PACKAGES))? || !there()) {
        bail!("there is no podman and no buildah, and installing them failed");
    }
    Ok(())
}

/// All of it, before a time without a network.
pub fn everything() -> Result<()> {
    c_compiler()?;
    rust_components(&["rustfmt", "clippy"])?;
    servers()?;
    containers()?;
    clients::prepare()?;
    eprintln!("everything that tests need is installed");
    Ok(())
}

/// rustfmt and clippy, which a minimal installation of Rust leaves out.
pub fn rust_components(names: &[&str]) -> Result<()> {
    for name in names {
        let subcommand = name.trim_start_matches("rust");
        if !succeeds(cargo().args([subcommand, "--version"]))
            && !passes(command("rustup").args(["component", "add", name]))?
        {
            bail!("{name} is missing, and `rustup component add {name}` failed");
        }
    }
    Ok(())
}
