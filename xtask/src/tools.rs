//! Cargo plugins at pinned versions, installed on first use into a cache outside the checkout.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, command, passes, succeeds};

/// A plugin and the version that the checks were written for.
pub struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Licences, duplicate and forbidden dependencies, sources, advisories.
pub const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};
/// What a program is made of, as CycloneDX, whose project makes it.
pub const CYCLONEDX: Tool = Tool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
};
/// Dependencies that nothing uses.
pub const MACHETE: Tool = Tool {
    name: "cargo-machete",
    version: "0.9.2",
};

impl Tool {
    /// Where the program is; builds it there if it is not.
    pub fn program(&self) -> Result<PathBuf> {
        let home = cache()?.join(format!("{}-{}", self.name, self.version));
        let program = home.join("bin").join(self.name);
        let subcommand = self.name.trim_start_matches("cargo-");
        let says = |words: &[&str]| succeeds(command(&program).args(words));
        if says(&["--version"]) || says(&[subcommand, "--version"]) {
            return Ok(program);
        }
        println!(
            "installing {} {} into {}",
            self.name,
            self.version,
            home.display()
        );
        let mut install = cargo();
        install
            .args([
                "install",
                "--quiet",
                "--locked",
                "--force",
                "--version",
                self.version,
                self.name,
                "--root",
            ])
            .arg(&home)
            // They run for seconds: building them fast matters more than their speed.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            // Else the build would use the workspace's target directory and wait for its lock.
            .env_remove("CARGO_TARGET_DIR");
        if !passes(&mut install)? {
            bail!("installing {} {} failed", self.name, self.version);
        }
        Ok(program)
    }
}

/// `leastwise-tools` in the user's cache directory.
fn cache() -> Result<PathBuf> {
    let xdg = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Ok(xdg
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("leastwise-tools"))
}
