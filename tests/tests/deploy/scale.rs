//! What an autoscaler sees of each service's database, and that it sees no more; by the statements that ship.

use std::process::Command;

use anyhow::anyhow;
use runtime::db::{self, Db, Roles};
use servers::Postgres;

use super::manifests::root;

const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

struct Server(Postgres);

impl Server {
    /// The file of `deploy/kubernetes`, after variables.
    fn run(&self, file: &str, variables: &[(&str, &str)]) {
        let text = std::fs::read_to_string(root().join("deploy/kubernetes").join(file)).unwrap();
        let variables: String = variables
            .iter()
            .map(|(name, value)| format!("\\set {name} '{value}'\n"))
            .collect();
        self.0.sql("postgres", &(variables + &text)).unwrap();
    }

    /// As the role of the autoscaler: what it is told, or why not.
    fn scaler(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.0.psql());
        psql.args(["-X", "-q", "-A", "-t", "-c", sql]);
        let target = format!(
            "host=127.0.0.1 port={} dbname={database} user=leastwise_scaler",
            self.0.port()
        );
        let done = psql.arg(target).env("PGPASSWORD", "seen").output().unwrap();
        match done.status.success() {
            true => Ok(String::from_utf8(done.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8(done.stderr).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_sees_what_waits_and_nothing_else() {
    let server = Server(Postgres::start(&servers::postgres::Options::default()).unwrap());
    server.run("scaler.sql", &[("password", "seen")]);
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("owner");
    std::fs::write(&secret, "owns").unwrap();
    let services = [
        (
            "collector",
            &collector::MIGRATIONS,
            "SELECT tenants FROM scale.due",
        ),
        (
            "normalizer",
            &normalizer::MIGRATIONS,
            "SELECT seconds FROM scale.waiting",
        ),
        (
            "exporter",
            &exporter::MIGRATIONS,
            "SELECT pairs FROM scale.lagging",
        ),
    ];
    for (service, migrations, sees) in services {
        let variables = [
            ("service", service),
            ("password", "works"),
            ("owner_password", "owns"),
        ];
        server.run("database.sql", &variables);
        let roles = Roles::of(service);
        let url = format!(
            "postgres://{}@127.0.0.1:{}/{}",
            roles.owner,
            server.0.port(),
            roles.database
        );
        let mut config = db::Config::new(url);
        config.password_file = Some(secret.clone());
        Db::migrate(&config, migrations, service)
            .await
            .map_err(|e| anyhow!("{e}"))
            .unwrap();
        // What the autoscaler is told to ask.
        let manifest = root().join(format!("deploy/kubernetes/components/keda/{service}.yaml"));
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains(&format!("query: {sees}\n")), "{manifest}");
        assert!(
            manifest.contains(&format!("dbName: {}\n", roles.database)),
            "{manifest}"
        );
        assert_eq!(server.scaler(&roles.database, sees).as_deref(), Ok("0"));
        for refused in [
            "SELECT * FROM public._sqlx_migrations",
            "CREATE TABLE public.mine (x int)",
            "CREATE TABLE scale.mine (x int)",
            "CREATE SCHEMA mine",
        ] {
            let why = server.scaler(&roles.database, refused).unwrap_err();
            assert!(why.contains("permission denied"), "{refused}: {why}");
        }
        assert!(
            server
                .scaler("postgres", "SELECT count(*) FROM pg_database")
                .is_ok(),
            "it can log in"
        );
    }
    what_waits(&server);
}

fn what_waits(server: &Server) {
    let sees = |service: &str, sql: &str| -> i64 {
        server
            .scaler(&Roles::of(service).database, sql)
            .unwrap()
            .parse()
            .unwrap()
    };
    let change =
        |service: &str, sql: String| _ = server.0.sql(&Roles::of(service).database, &sql).unwrap();
    // Two datasets of a tenant are one tenant; one waits, one is read, one is paused, one is not due.
    change("collector", format!(
        "INSERT INTO dataset (tenant, dataset, cursor, schedule, wake_at) VALUES
            ('a', 'users', '', '', 0), ('a', 'domains', '', '', {NOW} - 5), ('paused', 'users', '', '', 0),
            ('read', 'users', '', '', {NOW} + 1000000000), ('later', 'users', '', '', {NOW} + 1000000000);
        INSERT INTO pause (tenant, since, who, why) VALUES ('paused', 0, '', '');
        INSERT INTO lease (tenant, attempt, holder, until) VALUES ('read', 1, 'x', {NOW} + 1000000000), ('later', 1, 'x', 0)"
    ));
    assert_eq!(sees("collector", "SELECT tenants FROM scale.due"), 2);
    // A page alone waits for its collector.
    change("normalizer", format!(
        "INSERT INTO inbox_page (tenant, dataset, run, attempt, sequence, objects, set_aside, sha256, request_id, content)
            VALUES (1, 'users', 1, 1, 0, 1, 0, '', '', '');
        INSERT INTO inbox_seal (tenant, dataset, run, attempt, dead, seal, came) VALUES (1, 'users', 1, 1, 0, '', {NOW} - 90000000)"
    ));
    assert!(sees("normalizer", "SELECT seconds FROM scale.waiting") >= 90);
    change("normalizer", "DELETE FROM inbox_seal".into());
    assert_eq!(sees("normalizer", "SELECT seconds FROM scale.waiting"), 0);
    change("normalizer", "INSERT INTO inbox_seal (tenant, dataset, run, attempt, dead, seal) VALUES (1, 'users', 1, 1, 0, '')".into());
    assert!(
        (0..60).contains(&sees("normalizer", "SELECT seconds FROM scale.waiting")),
        "it has just come"
    );
    // Two exporters see the same sink; one of them is gone, and so is a sink.
    change("exporter", format!(
        "INSERT INTO sink (name, kind, location) VALUES ('a', '', ''), ('b', '', ''), ('gone', '', '');
        INSERT INTO sink_behind (sink, holder, tenants, at) VALUES
            ('a', 'x', 3, {NOW}), ('a', 'y', 5, {NOW}), ('b', 'x', 2, {NOW}), ('gone', 'z', 50, {NOW} - 400000000)"
    ));
    assert_eq!(sees("exporter", "SELECT pairs FROM scale.lagging"), 7);
}
