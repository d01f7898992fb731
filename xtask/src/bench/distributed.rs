//! Four processes over RabbitMQ and PostgreSQL, measured by the program `distributed`.

use anyhow::{Context, Result, bail};

use super::Args;
use super::figures::{Figures, Sample};
use crate::command::passes_with_output;

/// Each ratio is the median of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let mut runs = Vec::new();
    for _ in 0..args.runs.unwrap_or(1) {
        let (ok, printed) = passes_with_output(crate::distributed::program(true)?.arg("bench"))?;
        if !ok {
            bail!("the bench failed");
        }
        let line = printed.lines().rev().find(|line| line.starts_with('{'));
        let sample: Sample = serde_json::from_str(line.context("the bench printed no figures")?)
            .context("read the figures")?;
        runs.push(sample);
    }
    let mut figures = Figures::default();
    figures.add("distributed".to_owned(), &runs);
    Ok(figures)
}
