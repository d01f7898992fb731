//! The token-broker as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::process::main::<token_broker::server::Settings>()
}
