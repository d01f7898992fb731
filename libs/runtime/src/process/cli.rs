//! The command line of every process.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::{Service, VERSION};
use crate::config::Layers;
use crate::error::Problem;
use crate::telemetry::LogFormat;

#[derive(Parser, Debug)]
#[command(after_help = AFTER)]
pub(super) struct Cli {
    /// The configuration file. Without one, everything comes from LEASTWISE__… and --set.
    #[arg(long, short, global = true, env = "LEASTWISE_CONFIG")]
    config: Option<PathBuf>,
    /// Overrides one key of the configuration, for example `--set grpc.listen=127.0.0.1:7443`; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE", action = ArgAction::Append)]
    set: Vec<String>,
    /// Reads the configuration and every file that it names, says what is fine or wrong, and ends.
    #[arg(long)]
    pub check_config: bool,
    /// Prints the configuration in effect as TOML, without secrets, and ends.
    #[arg(long, conflicts_with = "check_config")]
    pub dump_config: bool,
    /// How logs are written: text on a terminal, JSON elsewhere, unless given.
    #[arg(long, global = true, value_parser = log_format, value_name = "text|json")]
    pub log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER: &str = "Exit codes: 0 done or stopped; 1 failed; 64 the command line or the configuration is wrong; 74 a \
                     file can't be read or written; 75 an address is in use. Every failure has a code LW-…, explained \
                     in docs/errors.md. The environment variable LEASTWISE_LOG sets the level of logs.";

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Bring the database to this release's format, and end.
    Migrate,
}

/// Parses the command line of `S`.
pub(super) fn parse<S: Service>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Cli, clap::Error> {
    let mut command = Cli::command()
        .name(S::NAME)
        .about(S::ABOUT)
        .version(VERSION);
    let cli = Cli::from_arg_matches(&command.try_get_matches_from_mut(arguments)?)?;
    if cli.command.is_some() && !S::DATABASE {
        return Err(command.error(
            clap::error::ErrorKind::InvalidSubcommand,
            format!("{} has no database", S::NAME),
        ));
    }
    Ok(cli)
}

impl Cli {
    /// The configuration in effect.
    pub fn settings<S: Service>(&self, environment: HashMap<String, String>) -> Result<S, Problem> {
        let mut layers = match &self.config {
            Some(path) => Layers::file(path)?,
            None => Layers::default(),
        }
        .environment(environment);
        for assignment in &self.set {
            layers = layers.set(assignment)?;
        }
        let mut settings: S = layers.read()?;
        let base = self.config.as_deref().and_then(Path::parent);
        settings.resolve(base.unwrap_or(Path::new("")));
        Ok(settings)
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json".to_owned()),
    }
}
