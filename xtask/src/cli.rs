//! What can be typed, and which module does it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{bench, check, clients, distributed, images, needs, proto, suite, watch};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The developer's commands"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Generate proto/src/gen from the .proto files
    Proto {
        /// Change nothing, fail if a generated file is not what the .proto files say
        #[arg(long)]
        check: bool,
        /// Part of making a release: later contracts must be additions to those of now
        #[arg(long, conflicts_with = "check")]
        release: bool,
    },
    /// Write docs/records.md and docs/schema from the .proto files and the declarations of the datasets
    Records,
    /// Write deploy/grafana and deploy/prometheus: dashboards, alerts and the alerts' tests
    Dashboards,
    /// Run the tests, and install first what they need of the machine
    Test {
        /// Passed on to the test runner, e.g. `-p bus`, or part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Let other people's Graph clients read the simulator, and other people's provider give the token-broker its tokens;
    /// part of `test` as well
    Clients,
    /// Install what the tests and checks need of the machine, and do no more
    Needs,
    /// Formatting, lints, documentation, licences, duplicate and unused dependencies
    Check,
    /// Build the images of the services and of the command
    Images(images::Args),
    /// Run a benchmark
    Bench(bench::Args),
    /// The distributed installation, as a developer's own
    #[command(subcommand)]
    Dev(Dev),
    /// Strike installations of real processes over real servers while they work, and compare every sink with the truth
    Chaos {
        /// Passed on; `cargo xtask chaos --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// A simulated year of daily readings: what has to be done by hand for it, each way for an app registration to prove
    /// itself
    Year {
        /// Passed on; `cargo xtask year --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Let Leastwise and other readers read a tenant under the same faults, and count who would wrongly lose a licence
    Reclamations {
        /// Passed on; `--json` prints one line of JSON
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Read many tenants with 1, 2 and 4 replicas of each service, kill some meanwhile, and say what a tenant costs
    Scale {
        /// Passed on; `cargo xtask scale --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Let the release of an older commit and this one work in one installation, in every order
    Upgrade {
        /// The commit
        from: String,
    },
    /// Kill a reader at random moments of a full read: what it reads twice, and that nothing is lost
    Killed {
        /// Passed on; `cargo xtask killed --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Dev {
    /// Start everything with mutual TLS on loopback, say what to try, and stop it on Ctrl-C
    Up {
        /// Passed on; `cargo xtask dev up --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Parses the command line and runs the task.
///
/// A task that has already said what failed returns a failing code, so that its own closing line stays the last one.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Proto { release: true, .. } => proto::release(),
        Task::Proto { check, .. } => proto::run(check),
        Task::Records => proto::records(),
        Task::Dashboards => watch::run(),
        Task::Test { args } => suite::run(&args),
        Task::Clients => clients::run(),
        Task::Needs => needs::everything().map(|()| ExitCode::SUCCESS),
        Task::Check => check::run(),
        Task::Images(args) => images::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Dev(Dev::Up { args }) => distributed::dev_up(&args),
        Task::Chaos { args } => distributed::chaos(&args),
        Task::Year { args } => distributed::year(&args),
        Task::Scale { args } => distributed::scale(&args),
        Task::Upgrade { from } => distributed::upgrade(&from),
        Task::Killed { args } => distributed::killed(&args),
        Task::Reclamations { args } => clients::peers::reclamations(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
