//! What operation costs and gives, measured by the program `distributed`.

use anyhow::Result;

use super::Args;
use super::figures::Figures;
use super::told;
use crate::command::command;

/// Ratios are medians of interleaved pairs within one run; `--runs` repeats the whole.
pub fn run(args: &Args) -> Result<Figures> {
    let program = crate::distributed::program(true)?;
    told::case(args, "operation", || {
        let mut bench = command(program.get_program());
        bench.arg("bench-operation");
        bench
    })
}
