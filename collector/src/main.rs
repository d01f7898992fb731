//! The collector as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main::<collector::server::Settings>()
}
