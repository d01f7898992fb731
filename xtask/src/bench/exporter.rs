//! The exporter alone, into each of its sinks: its speed, measured by the program `distributed`, and what is left of a sink
//! whose exporter is struck again and again, by the tests that strike it a few times.

use std::collections::BTreeSet;

use super::Args;
use super::figures::{Figures, Sample};
use super::told;
use crate::command::{cargo, command};
use crate::{clients, distributed};
use anyhow::{Context as _, Result, bail};

/// How often the exporter of each sink is killed. A twentieth of it is how often it is stopped and taken over.
const STRIKES: &str = "100";

/// Ratios are medians of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let program = distributed::program(true)?;
    let mut figures = told::case(args, "exporter", || {
        let mut bench = command(program.get_program());
        bench.arg("bench-exporter");
        bench
    })?;
    if clients::prepare_sinks()? > 0 {
        bail!("a sink that can't be started can't be struck");
    }
    figures.extend("exporter", struck()?);
    Ok(figures)
}

/// Sums over all sinks.
fn struck() -> Result<Sample> {
    eprintln!("each sink's exporter is killed {STRIKES} times; that takes some minutes");
    let mut tests = cargo();
    tests.args(["test", "--package", "exporter", "--features", "server"]);
    tests.args(["--test", "all", "conformance::killed::"]);
    tests.args(["--", "--nocapture", "--test-threads", "1"]);
    let mut sample = Sample::new();
    let mut sinks = BTreeSet::new();
    for line in told::lines(tests.env("LEASTWISE_STRIKES", STRIKES))? {
        let tally: serde_json::Value = serde_json::from_str(&line)?;
        let how = tally["exporter"].as_str().context("how it was struck")?;
        sinks.insert(tally["sink"].to_string());
        for (name, figure) in [
            ("times", "times"),
            ("lost", "records_lost"),
            ("twice", "records_twice"),
        ] {
            let count = tally[name]
                .as_f64()
                .with_context(|| format!("no {name}: {line}"))?;
            *sample.entry(format!("{how}_{figure}")).or_default() += count;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    sample.insert("struck_sinks".into(), sinks.len() as f64);
    Ok(sample)
}
