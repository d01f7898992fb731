//! Wrong reclamations: a reading that broke off and says nothing of it takes everybody who is missing for somebody without
//! a licence. Leastwise beside other readers, under the same faults.
#![allow(clippy::unwrap_used, reason = "a test's support")]
#![allow(clippy::print_stdout, reason = "a command talks by printing")]
#![allow(clippy::print_stderr, reason = "and says where it is")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use graph_sim::Sim;
use serde_json::{Value, json};

use crate::desk::token;
use crate::inventory::{self, Records};
use crate::process::{Ended, Installation, Simulator, program};

const USERS: u32 = 3_000;
const SEED: u64 = 7;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// The program `graph-rs` of tests/peers
    #[arg(long)]
    graph_rs: PathBuf,
    /// The interpreter that has what tests/graph-sim/clients/peers names
    #[arg(long)]
    python: PathBuf,
    /// The directory of the scripts
    #[arg(long)]
    scripts: PathBuf,
    /// Print one line of JSON and nothing else
    #[arg(long)]
    json: bool,
}

/// What goes wrong when the third page is asked for.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// 429, once.
    Throttled {
        retry_after: Option<u32>,
    },
    /// 500 from then on.
    Failing,
    /// The link to the page has expired, once.
    Expired,
}

const FAULTS: [(&str, Fault); 5] = [
    ("nothing", Fault::None),
    (
        "429 with `Retry-After`, once",
        Fault::Throttled {
            retry_after: Some(2),
        },
    ),
    ("429 without, once", Fault::Throttled { retry_after: None }),
    ("500 from then on", Fault::Failing),
    ("400 `Directory_ExpiredPageToken`, once", Fault::Expired),
];

impl Fault {
    /// The simulator's scenario; `before` are requests for users that a reader makes before the first page.
    fn scenario(self, before: u32) -> Value {
        let status = |status: u16, times: Option<u32>, retry_after: Option<u32>| {
            json!([{
                "kind": "status", "path": "/users", "after": before + 2,
                "status": status, "times": times, "retryAfter": retry_after,
            }])
        };
        let trouble = match self {
            Fault::None => json!([]),
            Fault::Throttled { retry_after } => status(429, Some(1), retry_after),
            Fault::Failing => status(500, None, None),
            // It meets pages behind the first one only.
            Fault::Expired => {
                json!([{"kind": "expiredPage", "path": "/users", "after": 1, "times": 1}])
            }
        };
        json!({ "trouble": trouble })
    }
}

/// What a reading ended with.
#[derive(Debug)]
struct Read {
    /// Users with a licence that it shows.
    licensed: usize,
    /// Whether anybody was told that it is not whole.
    told: bool,
}

/// How a reader is run.
#[derive(Clone, Copy)]
enum Reader {
    Leastwise,
    GraphRs,
    Python(&'static str),
}

const READERS: [(&str, Reader); 5] = [
    ("Leastwise", Reader::Leastwise),
    ("graph-rs-sdk", Reader::GraphRs),
    ("msgraph-sdk (Python)", Reader::Python("msgraph_sdk.py")),
    ("Airbyte CDK", Reader::Python("airbyte.py")),
    ("dlt", Reader::Python("dlt_rest.py")),
];

/// Runs all of them and prints the table.
///
/// # Errors
/// When a reader can't be run, or doesn't show everybody where nothing goes wrong.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut licensed = 0;
    let sim = Sim::new(graph_sim::Config {
        users: USERS,
        seed: SEED,
        ..graph_sim::Config::default()
    });
    sim.truth_users(0, |line| {
        let user: Value = serde_json::from_slice(line).unwrap();
        let licences = user["assignedLicenses"].as_array();
        licensed += usize::from(licences.is_some_and(|l| !l.is_empty()));
    });
    let mut rows = Vec::new();
    for (name, reader) in READERS {
        let mut cells = Vec::new();
        for (what, fault) in FAULTS {
            let read = reader
                .read(args, fault)
                .with_context(|| format!("{name}, {what}"))?;
            eprintln!("{name}, {what}: {read:?}");
            ensure!(
                read.licensed <= licensed,
                "{name} shows more than the {licensed} users who have a licence"
            );
            let missing = licensed - read.licensed;
            if matches!(fault, Fault::None) {
                ensure!(
                    missing == 0 && !read.told,
                    "{name} misses {missing} where nothing goes wrong"
                );
                continue;
            }
            cells.push((what, missing, read.told));
        }
        rows.push((name, cells));
    }
    match args.json {
        true => println!("{}", as_json(licensed, &rows)),
        false => print!("{}", table(licensed, &rows)),
    }
    let ours = rows.iter().filter(|(name, _)| *name == "Leastwise");
    let wrong = ours
        .flat_map(|(_, cells)| cells)
        .any(|(_, missing, told)| *missing > 0 && !told);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

type Rows = [(&'static str, Vec<(&'static str, usize, bool)>)];

fn as_json(licensed: usize, rows: &Rows) -> Value {
    let of = |cells: &Vec<(&str, usize, bool)>| -> Value {
        let wrong = cells.iter().map(|(what, missing, told)| {
            let wrong = if *told { 0 } else { *missing };
            ((*what).to_owned(), json!({"wrong": wrong, "told": told}))
        });
        wrong.collect::<serde_json::Map<_, _>>().into()
    };
    let readers = rows
        .iter()
        .map(|(name, cells)| ((*name).to_owned(), of(cells)));
    json!({ "licensed": licensed, "readers": readers.collect::<serde_json::Map<_, _>>() })
}

/// Markdown, as it stands in docs/peers.md.
fn table(licensed: usize, rows: &Rows) -> String {
    let heads = FAULTS.iter().skip(1).map(|(what, _)| format!(" {what} |"));
    let mut text = format!(
        "| of {licensed} |{}\n|---|---|---|---|---|\n",
        heads.collect::<String>()
    );
    for (name, cells) in rows {
        let cells = cells
            .iter()
            .map(|(_, missing, told)| match (missing, told) {
                (0, false) => " 0 |".to_owned(),
                (missing, false) => format!(" **{missing}** |"),
                (_, true) => " 0 (told) |".to_owned(),
            });
        text += &format!("| {name} |{}\n", cells.collect::<String>());
    }
    text
}

impl Reader {
    fn read(self, args: &Args, fault: Fault) -> Result<Read> {
        match self {
            Reader::Leastwise => Ok(leastwise(fault)),
            Reader::GraphRs => graph_rs(&args.graph_rs, fault),
            Reader::Python(script) => python(&args.python, &args.scripts.join(script), fault),
        }
    }
}

fn leastwise(fault: Fault) -> Read {
    // The delta link, and a page of names with the count.
    let scenario = fault.scenario(2).to_string();
    let sim = Simulator::in_scenario(USERS, SEED, &scenario);
    let home = Installation::of(&sim);
    let ended = home.run(["sync"]);
    let shown = inventory::read(&home.path("inventory"), "license_assignment");
    Read {
        licensed: with_licence(&shown),
        told: ended.code != Some(0),
    }
}

fn graph_rs(program: &Path, fault: Fault) -> Result<Read> {
    let scenario = fault.scenario(0).to_string();
    let sim = Simulator::in_scenario(USERS, SEED, &scenario);
    let tenant = Sim::new(graph_sim::Config {
        users: USERS,
        seed: SEED,
        base: Some(sim.text("graph").to_owned()),
        ..graph_sim::Config::default()
    })
    .tenants()[0]
        .clone();
    let http = runtime::http::Outbound::open(&runtime::http::Config::default())?.whole();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let token = runtime.block_on(token(&http, &tenant))?;
    let base = format!("{}/v1.0", sim.text("graph"));
    read_by(Command::new(program).args([&base, &token, "999"]))
}

/// Microsoft's libraries for Python speak to Entra ID by TLS alone.
fn python(python: &Path, script: &Path, fault: Fault) -> Result<Read> {
    let home = tempfile::tempdir()?;
    let (authority, scenario) = (home.path().join("ca.pem"), home.path().join("scenario"));
    std::fs::write(&scenario, fault.scenario(0).to_string())?;
    let mut command = program("graph-sim");
    command.args(["--users", &USERS.to_string(), "--seed", &SEED.to_string()]);
    command.arg("--scenario").arg(&scenario);
    command.arg("--tls").arg("--ca-file").arg(&authority);
    let sim = Simulator::of(&mut command);
    let mut reader = Command::new(python);
    reader
        .arg(script)
        .current_dir(home.path())
        .env("TENANT", sim.tenant.to_string())
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        reader.env(variable, &authority);
    }
    read_by(&mut reader)
}

/// What a reader says in its last line.
fn read_by(reader: &mut Command) -> Result<Read> {
    let ended = Ended::from(reader.output()?);
    let line = ended.out.lines().last();
    let said: Value = line
        .and_then(|line| serde_json::from_str(line).ok())
        .with_context(|| format!("{reader:?} said nothing: {ended:?}"))?;
    let licensed = said["licensed"].as_u64().context("no `licensed`")?;
    Ok(Read {
        licensed: usize::try_from(licensed)?,
        told: ended.code != Some(0) || !said["error"].is_null(),
    })
}

fn with_licence(assignments: &Records) -> usize {
    let used = assignments.values().filter(|a| a["consumes"] == true);
    let users: BTreeSet<&str> = used.filter_map(|a| a["userId"].as_str()).collect();
    users.len()
}
