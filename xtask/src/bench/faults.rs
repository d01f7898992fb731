//! Ten faults in an installation of real processes: the seconds until an alert names each, measured by the program
//! `distributed`.

use anyhow::Result;

use super::Args;
use super::figures::Figures;
use super::told;
use crate::command::command;

/// Takes about half an hour: a tenant is stuck only after ten minutes.
pub fn run(args: &Args) -> Result<Figures> {
    let program = crate::distributed::program(true)?;
    told::case(args, "faults", || {
        let mut bench = command(program.get_program());
        bench.arg("bench-faults");
        bench
    })
}
