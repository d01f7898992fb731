//! What operation costs and gives, measured by the program `distributed`.

use anyhow::Result;

use super::Args;
use super::figures::{Figures, Sample};
use super::told;
use crate::command::command;
use crate::images;

/// Ratios are medians of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let program = crate::distributed::program(true)?;
    let mut figures = told::case(args, "operation", || {
        let mut bench = command(program.get_program());
        bench.arg("bench-operation");
        bench
    })?;
    let size = Sample::from([(
        "image_mb_token_broker".to_owned(),
        images::size("token-broker")?,
    )]);
    figures.extend("operation", size);
    Ok(figures)
}
