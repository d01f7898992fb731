//! The token-broker as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    token_broker::server::main()
}
