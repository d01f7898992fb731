//! The command `leastwise`: composes the four services in one process, and speaks to them as operators do.
//!
//! It holds no domain logic: everything it shows comes from the services' gRPC interfaces.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what people read"
)]

mod ask;
mod changed;
mod cli;
mod cmd {
    pub mod changes;
    pub mod credentials;
    #[cfg(feature = "demo")]
    pub mod demo;
    pub mod findings;
    pub mod history;
    pub mod holders;
    pub mod init;
    pub mod kill;
    pub mod position;
    pub mod privacy;
    #[cfg(feature = "remote")]
    pub mod queue;
    pub mod run;
    pub mod runs;
    pub mod setaside;
    mod sign_in;
    pub mod sinks;
    #[cfg(feature = "demo")]
    pub mod stats;
    pub mod status;
    pub mod sync;
    pub mod tenants;
    pub mod why;
}
mod config;
mod connect;
mod ledger;
mod output;
mod progress;
mod rows;
mod since;
mod stack;

use std::process::ExitCode;

use clap::Parser as _;
use runtime::Problem;

pub use cmd::sync::{Outcome, Pass, pass};
pub use config::Config;
#[cfg(feature = "remote")]
pub use config::Connect;
pub use connect::Clients;
pub use stack::{Decorate, Options, Parts, Stack};

/// Parses the command line, runs the command, and turns what went wrong into text and an exit code.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no errors; clap knows where each one is printed.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() {
                runtime::error::Exit::Usage as u8
            } else {
                0
            });
        }
    };
    runtime::telemetry::init(cli.log_format, cli.log_level());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            return fail(&Problem::new(
                "LW-4091",
                format!("no threads can be started: {e}."),
                "check the limits of this user",
            ));
        }
    };
    let outcome = runtime.block_on(cli.run());
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(code) => code,
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &Problem) -> ExitCode {
    eprintln!("{}", runtime::error::Chain(problem));
    ExitCode::from(problem.exit as u8)
}
