//! The developer's commands, which `cargo xtask --help` lists.
//!
//! Nothing here is shipped, and nothing here uses the product's crates:
//! a command that builds the product must work while the product does not build.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks")]
#![allow(clippy::disallowed_methods, reason = "it waits in real time")]

mod bench;
mod check;
mod cli;
mod clients;
mod command;
mod distributed;
mod images;
mod needs;
mod proto;
mod suite;
mod tally;
mod tools;
mod watch;
mod workspace;

fn main() -> std::process::ExitCode {
    cli::run()
}
