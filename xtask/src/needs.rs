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
