//! The normalizer as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main::<normalizer::server::Settings>()
}
