//! `cargo xtask check`: everything that is judged without running the product.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::command::{cargo, command, passes};
use crate::tools::{DENY, MACHETE};
use crate::{needs, workspace};

/// A name, and what says whether it passes.
type Step = (&'static str, fn() -> Result<bool>);

/// The quick ones first.
const STEPS: [Step; 7] = [
    ("formatting", || {
        passes(cargo().args(["fmt", "--all", "--check"]))
    }),
    ("lints", || {
        passes(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    // Built with all others, the command gets whatever any of them asks of a crate; whoever begins has only its own.
    ("the command by itself", || {
        passes(cargo().args(["clippy", "--package", "leastwise", "--", "-D", "warnings"]))
    }),
    ("documentation", || {
        passes(
            cargo()
                .args(["doc", "--workspace", "--no-deps"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    }),
    ("licences, bans and sources", || {
        passes(command(DENY.program()?).args([
            "--workspace",
            "check",
            "licenses",
            "bans",
            "sources",
        ]))
    }),
    ("advisories", advisories),
    ("unused dependencies", || {
        passes(
            command(MACHETE.program()?)
                .arg("--skip-target-dir")
                .arg(workspace::root()),
        )
    }),
];

/// Runs all steps, also after one that failed, and lists those at the end.
pub fn run() -> Result<ExitCode> {
    needs::rust_components(&["rustfmt", "clippy"])?;
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        println!("checking {name}");
        let start = Instant::now();
        if !step()? {
            failed.push(name);
        }
        println!("checked {name} in {:.1} s", start.elapsed().as_secs_f64());
    }
    if failed.is_empty() {
        println!("all checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failed.join("; "));
    Ok(ExitCode::FAILURE)
}

/// Only where `ADVISORIES` is set, because the list comes from outside: it is news, not a property of the change.
fn advisories() -> Result<bool> {
    if std::env::var_os("ADVISORIES").is_none() {
        println!(
            "advisories not looked at: set ADVISORIES=1 to fetch the list of known vulnerabilities"
        );
        return Ok(true);
    }
    passes(command(DENY.program()?).args(["--workspace", "check", "advisories"]))
}
