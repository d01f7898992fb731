//! What the collector costs and how fast it is, alone before the simulator. Each bench prints its figures as one line of
//! JSON; parts of them run as processes of their own, so that time and memory are theirs alone.

mod bare;
mod fairness;
mod first_read;
mod incremental;
mod memory;
mod reader;
mod simulated;
mod throttle;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Named numbers; the name ends with the unit.
type Figures = BTreeMap<&'static str, f64>;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum Task {
    /// A first reading of a large tenant: beside graph-rs-sdk's, and beside a loop that does nothing else
    FirstRead(first_read::Args),
    /// A day's changes of a large tenant, over a full reading
    Incremental(incremental::Args),
    /// Whether small tenants wait for a large one
    Fairness(fairness::Args),
    /// Memory while a million users of one tenant are read
    Memory(memory::Args),
    /// Budgets that bind, in every kind of window, halved and restored in mid-run
    Throttle(throttle::Args),
    /// Part of a bench: reads a dataset once
    #[command(hide = true)]
    Reader(reader::Args),
    /// Part of a bench: the loop that does nothing else
    #[command(hide = true)]
    Bare(reader::Args),
}

/// Runs it.
///
/// # Errors
/// When something can't be started.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(task: &Task) -> Result<ExitCode> {
    let figures = match task {
        Task::FirstRead(args) => serde_json::json!(first_read::measure(args)?),
        Task::Incremental(args) => serde_json::json!(incremental::measure(args)?),
        Task::Fairness(args) => serde_json::json!(fairness::measure(args)?),
        Task::Memory(args) => serde_json::json!(memory::measure(args)?),
        Task::Throttle(args) => serde_json::json!(throttle::measure(args)?),
        Task::Reader(args) => reader::run(args)?,
        Task::Bare(args) => bare::run(args)?,
    };
    println!("{figures}");
    Ok(ExitCode::SUCCESS)
}

/// Runs a program to its end; its last line is JSON.
fn last_line(command: &mut Command) -> Result<Value> {
    let ran = command.output();
    let ran = ran.with_context(|| format!("start {command:?}"))?;
    let out = String::from_utf8_lossy(&ran.stdout);
    if !ran.status.success() {
        bail!("{command:?}: {out}{}", String::from_utf8_lossy(&ran.stderr));
    }
    let line = out.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{command:?} printed {out}"))
}

/// This program again, in the role of a part; on one core if wanted.
fn part(name: &str, one_core: bool) -> Result<Command> {
    let me = std::env::current_exe()?;
    let mut command = match one_core {
        true => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", "0"]).arg(me);
            command
        }
        false => Command::new(me),
    };
    command.args(["bench-collector", name]);
    Ok(command)
}

/// A number of an answer.
fn number(answer: &Value, name: &str) -> Result<f64> {
    let number = answer[name].as_f64();
    number.with_context(|| format!("no {name} in {answer}"))
}
