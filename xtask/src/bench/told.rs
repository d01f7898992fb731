//! Benches that are programs of their own, and end with a line of JSON: what they measured.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Args;
use super::figures::{Figures, Sample};

/// Runs the program as often as asked for (once by default), as one case. Where it is goes to standard error; what it
/// prints is read here, and printed once, as the caller asked for it.
pub fn case(args: &Args, name: &str, mut program: impl FnMut() -> Command) -> Result<Figures> {
    let mut runs = Vec::new();
    for _ in 0..args.runs.unwrap_or(1) {
        let lines = lines(&mut program())?;
        let line = lines.last().context("the bench printed no figures")?;
        let sample: Sample = serde_json::from_str(line).context("read the figures")?;
        runs.push(sample);
    }
    let mut figures = Figures::default();
    figures.add(name.to_owned(), &runs);
    Ok(figures)
}

/// The lines of JSON that a program prints.
pub fn lines(program: &mut Command) -> Result<Vec<String>> {
    let ran = program.stderr(Stdio::inherit()).output();
    let ran = ran.with_context(|| format!("start {program:?}"))?;
    let printed = String::from_utf8_lossy(&ran.stdout);
    if !ran.status.success() {
        bail!("the bench failed:\n{printed}");
    }
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    Ok(lines.map(str::to_owned).collect())
}
