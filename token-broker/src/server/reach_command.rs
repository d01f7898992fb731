//! `token-broker reach`: what the permissions unlock, beside others. Needs no configuration and no network.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use runtime::Problem;
use runtime::error::{Chain, Exit};

use super::reach::{Catalogue, Reach};

#[derive(Parser, Debug)]
#[command(name = "token-broker", about = "Compares what permissions unlock")]
struct Cli {
    #[command(subcommand)]
    reach: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Count what the default permissions unlock in Microsoft Graph, beside other products
    Reach {
        /// CSV with the columns method, path and application_permissions; docs/security.md says where it comes from
        #[arg(long, value_name = "FILE")]
        catalogue: PathBuf,
        /// How to print it; JSON names each operation that is not GET
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// The command.
#[allow(clippy::print_stderr, reason = "a command speaks to its user")]
pub fn main() -> ExitCode {
    let Command::Reach { catalogue, output } = Cli::parse().reach;
    let printed = text(&catalogue, output).map(|text| std::io::stdout().write_all(text.as_bytes()));
    match printed {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{}", Chain(&problem));
            ExitCode::from(problem.exit as u8)
        }
    }
}

fn text(file: &Path, output: Output) -> Result<String, Problem> {
    let bytes = std::fs::read(file).map_err(|e| {
        let what = format!("the catalogue {} can't be read.", file.display());
        Problem::new("LW-1050", what, "check the path and who may read it")
            .exit(Exit::Io)
            .caused_by(e)
    })?;
    let all = Catalogue::parse(&bytes)?.compare();
    Ok(match output {
        Output::Table => table(&all),
        // Names, numbers and lists always have a form in JSON.
        Output::Json => serde_json::to_string_pretty(&all).unwrap_or_default() + "\n",
    })
}

fn table(all: &[Reach]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, cells: [&str; 4]| {
        let [operations, get, other, lacks] = cells;
        // Writing into a text can't fail.
        let _ = writeln!(
            text,
            "{name:<36}  {operations:>10}  {get:>4}  {other:>7}  {lacks:>13}"
        );
    };
    line(
        "Who asks",
        ["Operations", "GET", "Not GET", "Lacks of ours"],
    );
    for reach in all {
        let numbers = [
            reach.operations,
            reach.get,
            reach.not_get.len(),
            reach.lacks_of_ours,
        ];
        let cells = numbers.map(|n| n.to_string());
        line(reach.name, cells.each_ref().map(String::as_str));
    }
    text.push_str(
        "\nOperations of the catalogue that one of the permissions unlocks. Lacks of ours: those that the default permissions of\n\
         Leastwise unlock and these don't.\n",
    );
    for reach in all.iter().filter(|r| !r.unknown.is_empty()) {
        let unknown = reach.unknown.join(", ");
        let _ = writeln!(
            text,
            "{}: the catalogue doesn't know {unknown}, so its numbers are too small.",
            reach.name
        );
    }
    text
}
