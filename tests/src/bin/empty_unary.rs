//! What the bench compares the token-broker with.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main::<tests::bench::broker::Empty>()
}
