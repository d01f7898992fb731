//! docs/postgres.md: each query there prints what the page shows.
//!
//! `LEASTWISE_WRITE_QUESTIONS=1 cargo test -p tests postgres::` writes the page anew.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use exporter::SinkConfig;
use exporter::sink::database::Postgres;
use servers::postgres::SUPERUSER;
use tests::compared::every_dataset;
use tests::world::{Setting, World};

const WRITE: &str = "LEASTWISE_WRITE_QUESTIONS";
const DATABASE: &str = "inventory";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/postgres.md")
}

/// The tenant of the page, in a database.
fn tenant(server: &servers::Postgres) -> World {
    server.create_database(DATABASE).unwrap();
    let mut setup = every_dataset(500);
    setup.sim.seed = 1;
    // The tenant shows who is who in its usage reports.
    setup.sim.concealed_names = false;
    let mut world = World::new(Setting::Embedded, setup);
    let password_file = world.path("password");
    std::fs::write(&password_file, server.password()).unwrap();
    let sink = Postgres {
        url: format!(
            "postgres://{SUPERUSER}@127.0.0.1:{}/{DATABASE}",
            server.port()
        ),
        password_file: Some(password_file),
        ..Postgres::default()
    };
    world.reconfigure(|config| {
        config.sinks.push(SinkConfig::new(sink));
        // One dataset after the other, so that positions come about in the same steps each time.
        config.collector.concurrent_datasets = 1;
    });
    world.sync_whole();
    world
}

/// What people see.
fn asked(server: &servers::Postgres, sql: &str) -> String {
    let out = Command::new(server.psql())
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
        .arg(server.url(DATABASE, SUPERUSER))
        .args(["--command", &format!("SET TIME ZONE 'UTC'; {sql}")])
        .env("PGCLIENTENCODING", "UTF8")
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{sql}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn each_question_is_answered_by_its_query_as_the_page_shows() {
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let _world = tenant(&server);
    let text = std::fs::read_to_string(page()).unwrap();
    let (mut fresh, mut answered) = (String::new(), 0);
    let mut rest = text.as_str();
    // Each query stands in a block of its own, what it prints in the next one.
    while let Some((before, after)) = rest.split_once("```sql\n") {
        let (sql, after) = after.split_once("```\n").unwrap();
        let (between, after) = after.split_once("```text\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        let printed = asked(&server, sql);
        assert!(!printed.contains("(0 rows)"), "nothing answers\n{sql}");
        fresh += &format!("{before}```sql\n{sql}```\n{between}```text\n{printed}```\n");
        answered += 1;
        rest = after;
    }
    fresh += rest;
    assert!(answered >= 10, "{answered} queries");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(page(), fresh).unwrap();
        return;
    }
    let differing = fresh.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        fresh == text,
        "docs/postgres.md is not what the queries print; {WRITE}=1 writes it anew. First difference (printed, page): {differing:?}"
    );
}
