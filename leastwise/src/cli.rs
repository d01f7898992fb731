//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use runtime::Problem;
use runtime::error::Exit;
use runtime::telemetry::LogFormat;

use crate::cmd;
use crate::config::Source;
use crate::output;

/// Keeps a software asset inventory in step with Microsoft 365 tenants, without any administrator account.
#[derive(Parser)]
#[command(name = "leastwise", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// The configuration file; `leastwise init` writes one.
    #[arg(
        long,
        short,
        global = true,
        default_value = "leastwise.toml",
        env = "LEASTWISE_CONFIG"
    )]
    pub config: PathBuf,
    /// More about what happens, on standard error; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How logs are written.
    #[arg(long, global = true, value_parser = log_format, default_value = "text", value_name = "text|json")]
    pub log_format: LogFormat,
    /// Overrides one key of the configuration, for example `--set collector.concurrent_tenants=8`; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Reads the configuration and every file that it names, says what is fine or wrong, and ends.
    #[arg(long, global = true)]
    check_config: bool,
    /// Prints the configuration in effect as TOML, without secrets, and ends.
    #[arg(long, global = true, conflicts_with = "check_config")]
    dump_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 3 done, but something is held or incomplete; 64 the command \
                          line or the configuration is wrong; 74 a file can't be read or written; 75 somebody else \
                          uses the data directory or the port. Every failure has a code LW-…, explained in \
                          docs/errors.md.";

#[derive(Subcommand)]
enum Command {
    /// Show the whole product on a simulated tenant: no configuration, no network.
    #[cfg(feature = "demo")]
    Demo(cmd::demo::Demo),
    /// Write a commented configuration file.
    Init(Box<cmd::init::Init>),
    /// Read every tenant once, bring the inventory up to date, and exit.
    Sync(cmd::sync::Sync),
    /// Run all four services in this process until stopped.
    Run(cmd::run::Run),
    /// The licence position: what there is, what is used, how, and what is left.
    Position(cmd::position::Position),
    /// Who holds a product, by which ways, whose assignment fails and why, and who holds another product beside it.
    Holders(cmd::holders::Holders),
    /// What to look at: licences on disabled accounts, in error, held twice, and units that nobody holds.
    Findings(cmd::findings::Findings),
    /// Where a record, or a number, comes from.
    Why(cmd::why::Why),
    /// What changed when of a record.
    History(cmd::history::History),
    /// How the inventory differs from what it was at a moment.
    Changes(cmd::changes::Changes),
    /// What the services are doing, what waits, what is held.
    Status(Output),
    /// Readings of datasets, and removals that are held.
    Runs(cmd::runs::Runs),
    /// Objects that could not be read: which, why, and whether this release can read them.
    Setaside(cmd::setaside::Setaside),
    /// What brings the inventory into other systems: whether it works, what it would be sent, what it refused.
    Sinks(cmd::sinks::Sinks),
    /// Erase people from the inventory, and see or lift that.
    Privacy(cmd::privacy::Privacy),
    /// Tenants, what their apps may, and which of them are in the token-broker's store.
    Tenants(cmd::tenants::Tenants),
    /// Credentials of tenants in the token-broker's store.
    Credentials(cmd::credentials::Credentials),
    /// What an installation of four processes needs at RabbitMQ: queues, accounts, keys.
    #[cfg(feature = "remote")]
    Queue(cmd::queue::Queue),
    /// From now on hand out no token for a tenant, or none at all.
    Kill(cmd::kill::Kill),
    /// Hand tokens out again.
    Revive(cmd::kill::Revive),
}

/// How a result is printed.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// For people, for programs, for spreadsheets.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// How a result is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON array.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

impl Cli {
    /// The level of logs unless the environment says otherwise. A command that ends says itself what went wrong.
    pub fn log_level(&self) -> &'static str {
        let quiet = !matches!(self.command, Some(Command::Run(_)));
        match self.verbose {
            0 if quiet => "off",
            0 => "info",
            1 => "info",
            _ => "debug",
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// What an operator has to read.
    pub async fn run(self) -> Result<ExitCode, Problem> {
        let config = Source {
            path: self.config,
            set: self.set,
        };
        if self.check_config {
            return config.check().map(|()| ExitCode::SUCCESS);
        }
        if self.dump_config {
            return config.dump().map(|()| ExitCode::SUCCESS);
        }
        let Some(command) = self.command else {
            // As clap does for a command that is required.
            let help = Cli::command().print_help();
            return help
                .map(|()| ExitCode::from(Exit::Usage as u8))
                .map_err(output::failed);
        };
        match command {
            #[cfg(feature = "demo")]
            Command::Demo(demo) => demo.run().await,
            Command::Init(init) => init.run(&config.path),
            Command::Sync(sync) => sync.run(&config).await,
            Command::Run(run) => run.run(&config).await,
            Command::Position(position) => position.run(&config).await,
            Command::Holders(holders) => holders.run(&config).await,
            Command::Findings(findings) => findings.run(&config).await,
            Command::Why(why) => why.run(&config).await,
            Command::History(history) => history.run(&config).await,
            Command::Changes(changes) => changes.run(&config).await,
            Command::Status(output) => cmd::status::run(&config, output.output).await,
            Command::Runs(runs) => runs.run(&config).await,
            Command::Setaside(setaside) => setaside.run(&config).await,
            Command::Sinks(sinks) => sinks.run(&config).await,
            Command::Privacy(privacy) => privacy.run(&config).await,
            Command::Tenants(tenants) => tenants.run(&config).await,
            Command::Credentials(credentials) => credentials.run(&config).await,
            #[cfg(feature = "remote")]
            Command::Queue(queue) => queue.run().await,
            Command::Kill(kill) => kill.run(&config).await,
            Command::Revive(revive) => revive.run(&config).await,
        }
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json".to_owned()),
    }
}
