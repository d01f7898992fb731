//! `token-broker audit`: checks a log of a broker that may run or not, here or elsewhere. Needs no configuration.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::audit::verify::{Request, verify};

#[derive(Parser, Debug)]
#[command(name = "token-broker", about = "Looks at an audit log")]
struct Cli {
    #[command(subcommand)]
    audit: Group,
}

#[derive(Subcommand, Debug)]
enum Group {
    /// Looks at an audit log
    #[command(subcommand)]
    Audit(Command),
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check each record and the checkpoints that were kept elsewhere
    Verify {
        /// The directory of the records
        directory: PathBuf,
        /// Checkpoints from a place that the token-broker can't rewrite; without them a log whose end was cut off looks
        /// whole
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// The checkpoints' public key, from a place that the token-broker can't rewrite; that of the directory when absent
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// The command.
#[allow(clippy::print_stderr, reason = "a command speaks to its user")]
pub fn main() -> ExitCode {
    let Group::Audit(Command::Verify {
        directory,
        checkpoints,
        key,
    }) = Cli::parse().audit;
    let alone = checkpoints.is_none();
    let request = Request {
        directory,
        checkpoints,
        key,
    };
    match verify(&request) {
        Ok(outcome) => {
            let (first, last) = outcome.records;
            let mut text = format!("records {first} to {last} are as they were written\n");
            text += &match alone {
                true => {
                    "without --checkpoints nobody can say whether the end was cut off\n".to_owned()
                }
                false => format!("{} checkpoints agree\n", outcome.checkpoints),
            };
            match std::io::stdout().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(problem) => {
            eprintln!("{}", runtime::error::Chain(&problem));
            ExitCode::from(problem.exit as u8)
        }
    }
}
