//! PostgreSQL servers of one's own.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use servers::{Pki, Postgres, Validity, postgres};

#[test]
fn two_run_side_by_side() {
    let [one, two] = [(); 2].map(|()| Postgres::start(&postgres::Options::default()).unwrap());
    assert_ne!(one.port(), two.port());
    one.create_database("only here").unwrap();
    let count = "SELECT count(*) FROM pg_database WHERE datname = 'only here'";
    assert_eq!(one.sql("postgres", count).unwrap(), "1\n");
    assert_eq!(two.sql("postgres", count).unwrap(), "0\n");
}

#[test]
fn a_crash_loses_nothing() {
    let server = Postgres::start(&postgres::Options::default()).unwrap();
    let port = server.port();
    server
        .sql(
            "postgres",
            "CREATE TABLE t (n int); INSERT INTO t VALUES (7)",
        )
        .unwrap();
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.sql("postgres", "SELECT n FROM t").unwrap(), "7\n");
    server.kill().unwrap();
    assert!(server.sql("postgres", "SELECT 1").is_err());
}

#[test]
fn another_server_finds_the_data_of_a_fixed_directory() {
    let directory = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let options = postgres::Options {
        directory: Some(directory.path().join("it's here")),
        durable: true,
        ..Default::default()
    };
    let server = Postgres::start(&options).unwrap();
    server.create_database("kept").unwrap();
    drop(server);
    let server = Postgres::start(&options).unwrap();
    assert_eq!(server.sql("kept", "SELECT 1").unwrap(), "1\n");
}

#[test]
fn a_database_is_copied_and_restored_from_a_dump() {
    let server = Postgres::start(&postgres::Options::default()).unwrap();
    server
        .sql("postgres", "CREATE ROLE owner LOGIN PASSWORD 'x'")
        .unwrap();
    server.create_database("template").unwrap();
    server
        .sql(
            "template",
            "CREATE TABLE t (n int); INSERT INTO t VALUES (1)",
        )
        .unwrap();
    server.create_database_from("template", "copy").unwrap();
    server
        .sql(
            "copy",
            "ALTER DATABASE copy OWNER TO owner; ALTER TABLE t OWNER TO owner",
        )
        .unwrap();
    let dump = server.dump("copy").unwrap();
    server.sql("copy", "UPDATE t SET n = 2").unwrap();
    assert_eq!(server.sql("template", "SELECT n FROM t").unwrap(), "1\n");
    std::thread::scope(|scope| {
        let connected = scope.spawn(|| server.sql("copy", "SELECT pg_sleep(600)"));
        servers::wait_until("it sleeps", std::time::Duration::from_secs(20), || {
            let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            Ok(server.sql("postgres", sleeping)? == "1\n")
        })
        .unwrap();
        server.restore("copy", &dump).unwrap();
        assert!(connected.join().unwrap().is_err());
    });
    let state = "SELECT n, tableowner, pg_get_userbyid(datdba) FROM t, pg_tables, pg_database \
        WHERE tablename = 't' AND datname = 'copy'";
    assert_eq!(server.sql("copy", state).unwrap(), "1|owner|owner\n");
}

#[test]
fn with_tls_nothing_else_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::new(directory.path()).unwrap();
    let server = Postgres::start(&postgres::Options {
        tls: Some(
            pki.issue("postgres", None, &["localhost"], Validity::Good)
                .unwrap(),
        ),
        ..Default::default()
    })
    .unwrap();
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(server.sql("postgres", encrypted).unwrap(), "t\n");
    let rules = "SELECT type FROM pg_hba_file_rules";
    assert_eq!(server.sql("postgres", rules).unwrap(), "hostssl\n");
}
