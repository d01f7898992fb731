//! The token-broker as a process of its own.

use std::process::ExitCode;

use token_broker::server::{Settings, audit_command};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == "audit" => audit_command::main(),
        _ => runtime::process::main::<Settings>(),
    }
}
