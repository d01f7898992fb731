//! Other people's Graph clients against the simulator: what reads Microsoft 365 must be able to read it, too. And an
//! OpenID provider of other people's, from which the token-broker must be able to get tokens, and a gRPC client of other
//! people's, which must be able to call it.
//!
//! `tests/graph-sim/clients` holds the scripts and pins what they use by hash. Without a registry they are skipped, and
//! that is said loudly: it says nothing about the simulator and the token-broker.
//!
//! What reads what sinks have written is installed in the same way (`tests/sinks`), as is what judges manifests
//! (`tests/deploy`), and run by the tests themselves.

mod contract;
mod install;
pub mod peers;
mod provider;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::command::{cargo, command, passes, passes_with_output};
use crate::tally::{self, Tally};
use crate::workspace;
use install::{Clients, Installed};

/// Enough users for several pages; the permissions are those for what the scripts read.
const SIMULATOR: [&str; 7] = [
    "--tls",
    "--users",
    "1200",
    "--seed",
    "7",
    "--roles",
    "User.Read.All,Group.Read.All,Organization.Read.All",
];
/// Seconds; a script takes some, and many on a busy machine. A client that waits for ever must not hold up the tests.
const LIMIT: &str = "1200";

/// `cargo xtask clients`: builds the simulator and what has the token-broker in it, and runs all of them.
pub fn run() -> Result<ExitCode> {
    crate::needs::c_compiler()?;
    if !passes(cargo().args([
        "build",
        "--package",
        "graph-sim",
        "--package",
        "tests",
        "--package",
        "token-broker",
    ]))? {
        bail!("the simulator and the tests' programs don't build");
    }
    let tally = check()?;
    println!("{tally}");
    Ok(match tally.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Installs all of them, before a time without a network.
pub fn prepare() -> Result<()> {
    for clients in &install::ALL {
        if let Installed::Not(why) = clients.installed()? {
            skip(clients, "did not read the simulator", &why);
        }
    }
    prepare_sinks().map(drop)
}

/// Installs what tests of sinks, of dashboards and of manifests run. Where that can't be had, a file says so: it tells these tests that
/// they may skip what needs it, which they would otherwise not do. Returns how many are missing.
pub fn prepare_sinks() -> Result<u64> {
    let mut missing = 0;
    let all = install::SINKS.iter().chain(&install::DEPLOY);
    for clients in all.chain([&install::DASHBOARDS]) {
        if let Installed::Not(why) = clients.installed()? {
            skip(clients, "judge nothing", &why);
            fs::create_dir_all(clients.home())?;
            fs::write(clients.home().join("unreachable"), &why)?;
            missing += 1;
        }
    }
    Ok(missing)
}

/// Runs all of them against the simulator that was built last.
pub fn check() -> Result<Tally> {
    let mut sum = Tally::default();
    for clients in &install::ALL {
        match clients.installed()? {
            Installed::At(home) => {
                for script in clients.scripts {
                    sum += script_against_a_simulator(clients, &home, script)?;
                }
                if let Some(script) = clients.provider {
                    sum += provider::judge(clients, &home, script)?;
                }
                if let Some(script) = clients.contract {
                    sum += contract::judge(clients, &home, script)?;
                }
            }
            Installed::Not(why) => {
                skip(clients, "did not read the simulator", &why);
                let others = [clients.provider, clients.contract];
                let scripts = clients.scripts.len() + others.iter().flatten().count();
                sum.skipped += scripts as u64;
            }
        }
    }
    Ok(sum)
}

fn skip(clients: &Clients, what: &str, why: &str) {
    let line = "!".repeat(100);
    let name = clients.name;
    println!("{line}\nSKIPPED: the {name} {what}: {why}\n{line}");
}

/// Each script has a simulator of its own, for it lets days pass.
fn script_against_a_simulator(clients: &Clients, home: &Path, script: &str) -> Result<Tally> {
    println!("reading the simulator: {script}");
    let simulator = Simulator::start()?;
    let mut run = Command::new("timeout");
    run.current_dir(home)
        .arg(LIMIT)
        .arg(clients.interpreter(home))
        .arg(clients.script(home, script)?)
        .env("GRAPH_SIM", simulator.ready.to_string())
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let ca = simulator.ready["ca"].as_str();
    for variable in ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        run.env(variable, ca.context("the simulator says no `ca`")?);
    }
    tallied(&mut run, script)
}

/// Runs what prints a line for each check.
fn tallied(run: &mut Command, script: &str) -> Result<Tally> {
    let (ok, printed) = passes_with_output(run)?;
    let mut tally = tally::of_checks(&printed);
    // It broke off, or never got as far as a check.
    if tally.failed == 0 && (!ok || tally.passed == 0) {
        println!("not ok - {script} to its end");
        tally.failed = 1;
    }
    Ok(tally)
}

/// A simulator as a process, stopped when it is dropped.
struct Simulator {
    child: Child,
    ready: Value,
}

impl Simulator {
    fn start() -> Result<Self> {
        let mut child = command(workspace::target().join("debug/graph-sim"))
            .args(SIMULATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start graph-sim")?;
        let out = child.stdout.take();
        let mut simulator = Self {
            child,
            ready: Value::Null,
        };
        let mut line = String::new();
        BufReader::new(out.context("graph-sim has no output")?).read_line(&mut line)?;
        simulator.ready = serde_json::from_str(&line).context("read graph-sim's ready line")?;
        Ok(simulator)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Politely, so that it removes the file it wrote.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Copies the files of a folder of `clients`.
fn copy(folder: &Path, to: &Path) -> Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}
