//! What the machine must have beyond Rust's compiler, and how it gets it.

use anyhow::{Result, bail};

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

/// RabbitMQ and PostgreSQL: tests start servers of their own from the programs. Their packages start no service here.
pub fn servers() -> Result<()> {
    let packages = servers::missing();
    if packages.is_empty() {
        return Ok(());
    }
    println!(
        "tests start servers of their own; not installed yet: {}",
        packages.join(", ")
    );
    let installed = passes(command(".ci/apt").args(&packages))?;
    if !installed || !servers::missing().is_empty() {
        bail!(
            "without {} the tests that start servers can't run, and installing failed",
            packages.join(" and ")
        );
    }
    Ok(())
}

/// All of it, before a time without a network.
pub fn everything() -> Result<()> {
    c_compiler()?;
    rust_components(&["rustfmt", "clippy"])?;
    servers()?;
    println!("everything that tests need is installed");
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
