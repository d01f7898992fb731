//! What the normalizer costs: over the fastest way to write what it writes, when nothing changed, and for a few changes;
//! and its memory. On both databases, in one run.

mod ledger;
mod limit;
mod load;
mod users;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use runtime::db::Db;
use serde_json::Value;

use super::median;
use ledger::Ledger;
use limit::Rows;
use users::Run;

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Interleaved pairs behind each ratio, of which the median counts
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Users of the tenant
    #[arg(long, default_value_t = 100_000)]
    users: usize,
    /// Users of the tenant whose memory is measured, beside a tenth of them
    #[arg(long, default_value_t = 1_000_000)]
    most_users: usize,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Subcommand)]
enum Part {
    /// Part of the bench: one load in a process of its own
    #[command(hide = true)]
    Load(load::Args),
}

/// A database to measure on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Sqlite,
    Postgres,
}

impl On {
    fn name(self) -> &'static str {
        match self {
            On::Sqlite => "sqlite",
            On::Postgres => "postgres",
        }
    }
}

/// By name, what each database reached.
type Figures = BTreeMap<&'static str, [f64; 2]>;

/// Ratios of which more is better; of all other figures less is.
const MORE: [&str; 4] = [
    "share_of_limit",
    "unchanged_speedup",
    "users_per_second",
    "limit_users_per_second",
];

/// Runs it and prints the figures as one line of JSON.
///
/// # Errors
/// When something can't be started.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let printed = match &args.part {
        Some(Part::Load(args)) => load::run(args)?,
        None => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            shown(&runtime.block_on(measure(args))?)
        }
    };
    println!("{printed}");
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args) -> Result<Figures> {
    let server = servers::Postgres::start(&servers::postgres::Options::default())?;
    let mut databases = 0;
    let mut rounds: BTreeMap<&'static str, [Vec<f64>; 2]> = BTreeMap::new();
    for _ in 0..args.pairs {
        for on in [On::Sqlite, On::Postgres] {
            let home = tempfile::tempdir()?;
            let db = match postgres(on, &server, &mut databases, home.path())? {
                Some(url) => ledger::postgres(&url, &home.path().join("password")).await?,
                None => ledger::sqlite(home.path()).await?,
            };
            for (name, value) in round(db, args.users).await? {
                rounds.entry(name).or_default()[on as usize].push(value);
            }
        }
    }
    let medians = |(name, both): (_, [Vec<f64>; 2])| (name, both.map(median));
    let mut figures: Figures = rounds.into_iter().map(medians).collect();
    for on in [On::Sqlite, On::Postgres] {
        for (name, value) in memory(on, &server, &mut databases, args.most_users)? {
            figures.entry(name).or_default()[on as usize] = value;
        }
    }
    Ok(figures)
}

/// The URL of a new database, if it is one of PostgreSQL; the file `password` is beside.
fn postgres(
    on: On,
    server: &servers::Postgres,
    databases: &mut u32,
    home: &Path,
) -> Result<Option<String>> {
    if on == On::Sqlite {
        return Ok(None);
    }
    *databases += 1;
    let name = format!("ledger{databases}");
    server.create_database(&name)?;
    std::fs::write(home.join("password"), server.password())?;
    Ok(Some(format!(
        "postgres://postgres@127.0.0.1:{}/{name}",
        server.port()
    )))
}

/// A tenant's first load beside what limits it, a few changes, a load in which everything changed, and one in which
/// nothing did.
async fn round(db: Db, users: usize) -> Result<Vec<(&'static str, f64)>> {
    let mut ledger = Ledger::new(db).await?;
    let full = |ledger: &mut Ledger, city| Run {
        run: ledger.number(),
        base: 0,
        users,
        every: 1,
        city,
    };
    let first = full(&mut ledger, "Bonn");
    let loaded = ledger.run(first, users).await?;
    let some = Run {
        run: ledger.number(),
        base: first.run,
        every: 1_000,
        city: "Ulm",
        ..first
    };
    let few = ledger.run(some, users.div_ceil(some.every)).await?;
    let run = full(&mut ledger, "Jena");
    let changed = ledger.run(run, users).await?;
    let run = full(&mut ledger, "Jena");
    let unchanged = ledger.run(run, 0).await?;

    let bodies = first.bodies();
    let parsing = limit::parsing(&bodies)?;
    let pages = bodies.iter().map(|b| zstd::bulk::compress(b.as_bytes(), 1));
    let rows = Rows::of(ledger.db(), pages.collect::<Result<_, _>>()?).await?;
    let writing = limit::writing(ledger.db(), &rows).await?;
    ledger.db().close().await;
    ledger.close().await;
    #[expect(clippy::cast_precision_loss, reason = "a count of a bench")]
    let users = users as f64;
    let limit = parsing.max(writing);
    Ok(vec![
        ("share_of_limit", limit / loaded),
        ("unchanged_speedup", changed / unchanged),
        ("closing_share", few / loaded),
        ("users_per_second", users / loaded),
        ("limit_users_per_second", users / limit),
        ("parse_seconds", parsing),
        ("write_seconds", writing),
    ])
}

/// A first load of many users, and of a tenth of them, each in a process of its own.
fn memory(
    on: On,
    server: &servers::Postgres,
    databases: &mut u32,
    users: usize,
) -> Result<Vec<(&'static str, f64)>> {
    let mut load = |users: usize| -> Result<Value> {
        let home = tempfile::tempdir()?;
        let mut part = Command::new(std::env::current_exe()?);
        part.args(["bench-normalizer", "load", "--users", &users.to_string()]);
        part.arg("--dir").arg(home.path());
        if let Some(url) = postgres(on, server, databases, home.path())? {
            part.args(["--postgres", &url]);
        }
        let ran = part.output().context("start a part of the bench")?;
        if !ran.status.success() {
            bail!("{part:?}: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(serde_json::from_slice(&ran.stdout)?)
    };
    let (few, many) = (load(users / 10)?, load(users)?);
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap_or(f64::NAN);
    let mut figures = vec![
        ("peak_mib", number(&many, "peak_mib")),
        (
            "peak_over_a_tenth_of_the_users",
            number(&many, "peak_mib") / number(&few, "peak_mib"),
        ),
        (
            "second_half_over_first",
            number(&many, "second_half_mib") / number(&many, "first_half_mib"),
        ),
    ];
    for (name, of) in [
        ("million_intake_seconds", "intake_seconds"),
        ("million_apply_seconds", "apply_seconds"),
        ("million_cpu_seconds", "cpu_seconds"),
        ("million_wal_mib", "wal_mib"),
    ] {
        figures.push((name, number(&many, of)));
    }
    Ok(figures)
}

/// The worse of both databases under the plain name, each under its own.
fn shown(figures: &Figures) -> Value {
    let mut out = serde_json::Map::new();
    for (name, both) in figures {
        let worse = match MORE.contains(name) {
            true => both[0].min(both[1]),
            false => both[0].max(both[1]),
        };
        out.insert((*name).to_owned(), worse.into());
        for on in [On::Sqlite, On::Postgres] {
            out.insert(format!("{name}_{}", on.name()), both[on as usize].into());
        }
    }
    out.into()
}
