//! `cargo xtask check`: everything that is judged without running the product.

use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::command::{cargo, command, passes};
use crate::tools::{DENY, MACHETE};
use crate::{needs, workspace};

/// Where the advisories are kept.
const ADVISORIES: (&str, u16) = ("github.com", 443);

/// A name, and what says whether it passes.
type Step = (&'static str, fn() -> Result<bool>);

/// The quick ones first.
const STEPS: [Step; 6] = [
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

/// Skipped, and said so, where the list of advisories can't be had: it is news, not a property of the change.
fn advisories() -> Result<bool> {
    let deny = DENY.program()?;
    let fetch = || passes(command(&deny).args(["fetch", "db"]));
    if !reachable(ADVISORIES) || !fetch()? {
        println!("advisories skipped: {} can't be reached", ADVISORIES.0);
        return Ok(true);
    }
    passes(command(&deny).args(["--workspace", "check", "--disable-fetch", "advisories"]))
}

fn reachable(host: (&str, u16)) -> bool {
    let Ok(addresses) = host.to_socket_addrs() else {
        return false;
    };
    let within = Duration::from_secs(3);
    addresses
        .into_iter()
        .any(|address| TcpStream::connect_timeout(&address, within).is_ok())
}
