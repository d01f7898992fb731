//! `cargo xtask test`: every test, from whatever the machine has.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::command::{cargo, passes_with_output, succeeds};
use crate::tally::{self, Tally};
use crate::{clients, distributed, needs};

/// Arguments with which the caller chooses packages himself.
const CHOOSES_PACKAGES: [&str; 3] = ["-p", "--package", "--workspace"];

/// A test runner, and how its result is read.
type Runner = (Command, fn(&str) -> Option<Tally>);

/// Runs all tests, or those that `args` choose; the last line printed is the sum of what the runners counted.
pub fn run(args: &[String]) -> Result<ExitCode> {
    needs::c_compiler()?;
    needs::rust_components(&["rustfmt"])?;
    needs::servers()?;
    if args.is_empty() {
        programs()?;
        if let Err(why) = needs::containers() {
            // The test says what is not shown then.
            println!("no pod is run: {why:#}");
        }
    }
    let (mut passed, mut sum) = (true, Tally::default());
    if args.is_empty() {
        sum.skipped += clients::prepare_sinks()?;
    }
    for (command, read) in &mut runners(args) {
        let (ok, printed) = passes_with_output(command)?;
        passed &= ok;
        match read(&printed) {
            Some(tally) => sum += tally,
            // It did not get as far as running a test, and has said why.
            None if !ok => bail!("{command:?} ran no test"),
            None => {}
        }
    }
    if args.is_empty() {
        sum += clients::check()?;
    }
    println!("{sum}");
    Ok(if passed && sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Some tests run the programs and build what is missing; built before, it doesn't count against a test's time.
fn programs() -> Result<()> {
    let build = cargo()
        .arg("build")
        .args(
            distributed::PACKAGES
                .iter()
                .flat_map(|name| ["--package", name]),
        )
        .status()?;
    match build.success() {
        true => Ok(()),
        false => bail!("the programs that tests run don't build"),
    }
}

/// cargo-nextest does not run the examples in documentation; the standard harness runs both.
fn runners(args: &[String]) -> Vec<Runner> {
    let with = |subcommand: &[&str]| {
        let mut command = cargo();
        command.args(subcommand);
        if !args
            .iter()
            .any(|arg| CHOOSES_PACKAGES.contains(&arg.as_str()))
        {
            command.arg("--workspace");
        }
        command.args(args);
        command
    };
    if !succeeds(cargo().args(["nextest", "--version"])) {
        return vec![(with(&["test", "--no-fail-fast"]), tally::of_harness)];
    }
    let mut runners: Vec<Runner> = vec![(with(&["nextest", "run"]), tally::of_nextest)];
    if args.is_empty() {
        runners.push((
            with(&["test", "--doc", "--no-fail-fast"]),
            tally::of_harness,
        ));
    }
    runners
}
