//! `cargo xtask test`: every test, from whatever the machine has.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::command::{cargo, passes_with_output, succeeds};
use crate::{needs, tally};

/// Arguments with which the caller chooses packages himself.
const CHOOSES_PACKAGES: [&str; 4] = ["-p", "--package", "--workspace", "--doc"];

/// Runs all tests, or those that `args` choose; the last line printed is the sum of what the runners counted.
pub fn run(args: &[String]) -> Result<ExitCode> {
    needs::c_compiler()?;
    needs::rust_components(&["rustfmt"])?;
    let (mut passed, mut sum) = (true, tally::Tally::default());
    for command in &mut runners(args) {
        let (ok, printed) = passes_with_output(command)?;
        passed &= ok;
        match tally::read(&printed) {
            Some(counts) => sum += counts,
            // It did not get as far as running a test, and has said why.
            None if !ok => bail!("{command:?} ran no test"),
            None => {}
        }
    }
    println!("{sum}");
    Ok(if passed && sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// cargo-nextest does not run documentation's examples; the standard harness does both.
fn runners(args: &[String]) -> Vec<Command> {
    let with = |subcommand: &[&str]| {
        let mut command = cargo();
        command.args(subcommand).args(args);
        if !args
            .iter()
            .any(|arg| CHOOSES_PACKAGES.contains(&arg.as_str()))
        {
            command.arg("--workspace");
        }
        command
    };
    if !succeeds(cargo().args(["nextest", "--version"])) {
        return vec![with(&["test", "--no-fail-fast"])];
    }
    let mut runners = vec![with(&["nextest", "run"])];
    if args.is_empty() {
        runners.push(with(&["test", "--doc", "--no-fail-fast"]));
    }
    runners
}
