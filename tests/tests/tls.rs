//! The distributed installation with mutual TLS everywhere, as `cargo xtask dev up` starts it: who gets in, who doesn't,
//! and what each may do.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bus::amqp::Amqp;
use bus::{Backend as _, Envelope, Keys, Topology};
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, RunMode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use servers::Validity;
use tests::dev::{Args, Installation, Replica, TRUST};
use tests::otlp::Receiver;
use tests::process::{Ended, Running, program};

use crate::telemetry;

const LIMIT: Duration = Duration::from_secs(60);

fn start(otlp: &Receiver) -> Installation {
    // Builds all programs, if need be.
    program("collector");
    let args = Args {
        replicas: 1,
        tenants: 1,
        users: 60,
        seed: 5,
        unscheduled: true,
        otlp: Some(otlp.endpoint.clone()),
        log: None,
    };
    Installation::start(&args).unwrap()
}

fn leastwise(it: &Installation, config: &str, arguments: &[&str]) -> Command {
    let mut command = program("leastwise");
    command.arg("--config").arg(it.path(config)).args(arguments);
    command
}

#[track_caller]
fn works(it: &Installation, arguments: &[&str]) -> String {
    let ended: Ended = leastwise(it, "leastwise.toml", arguments)
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.out
}

#[track_caller]
fn shows(replica: &Replica, what: &[&str]) {
    let mut metrics = String::new();
    let shown = servers::wait_until("the metrics show it", LIMIT, || {
        metrics = replica.get("/metrics")?;
        let line = metrics.lines().find(|l| what.iter().all(|w| l.contains(w)));
        Ok(line.is_some())
    });
    assert!(shown.is_ok(), "{what:?} is missing in {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_known_and_may_do_no_more_than_needed() {
    let otlp = Receiver::start().await.unwrap();
    let it = start(&otlp);
    works(&it, &["sync"]);
    telemetry::a_page_and_its_record_can_be_followed(&otlp).await;
    telemetry::nothing_is_told_that_is_not_listed(&otlp.seen());
    telemetry::what_was_read_is_accounted_for(&it);
    let status = works(&it, &["status"]);
    assert!(status.contains("60 user"), "{status}");
    let positions: Value =
        serde_json::from_str(&works(&it, &["position", "--output", "json"])).unwrap();
    assert!(!positions.as_array().unwrap().is_empty());

    let sink = Command::new(it.path("bin/psql"))
        .args([
            "inventory",
            "owner",
            "-At",
            "-c",
            "SELECT count(*) FROM \"user\"",
        ])
        .output();
    let sink: Ended = sink.unwrap().into();
    assert_eq!(sink.out.trim(), "60", "{sink:?}");

    services_talk_by_mutual_tls(&it);
    who_has_no_role_is_refused(&it);
    accounts_are_as_documented(&it);
    services_can_not_change_their_tables(&it);
    a_message_moved_to_another_run_is_refused(&it).await;
    a_new_certificate_is_shown_while_a_reading_goes_on(&it).await;
}

fn services_talk_by_mutual_tls(it: &Installation) {
    for (service, calls) in [
        ("token-broker", "TokenService"),
        ("collector", "CollectorAdmin"),
        ("normalizer", "Feed"),
        ("exporter", "ExporterAdmin"),
    ] {
        shows(
            it.of(service),
            &[
                "rpc_server_call_duration_seconds_count{",
                calls,
                "status_code=\"OK\"",
            ],
        );
    }
    for series in [
        "leastwise_graph_requests_total{",
        "leastwise_graph_received_bytes_total{",
        "leastwise_graph_units_total{",
        "leastwise_pages_published_total{",
        "leastwise_objects_published_total{",
    ] {
        shows(it.of("collector"), &[series, "dataset=\"users\""]);
    }
    for series in [
        "leastwise_graph_wait_duration_seconds_count{",
        "leastwise_graph_budget_used_ratio_count{",
    ] {
        shows(it.of("collector"), &[series, "bucket=\"identity\""]);
    }
    let taken = ["leastwise_lease_changes_total{", "change=\"taken\""];
    shows(it.of("collector"), &taken);
    let sql = "SELECT count(*) FILTER (WHERE NOT ssl), count(*) > 3 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE usename LIKE 'leastwise%'";
    assert_eq!(it.postgres.sql("postgres", sql).unwrap().trim(), "0|t");
    let connections = it
        .rabbit
        .ctl(&["list_connections", "--formatter=json", "user", "ssl"])
        .unwrap();
    let connections: Value = serde_json::from_str(&connections).unwrap();
    for user in ["collector", "normalizer", "exporter"] {
        let of_user = |c: &&Value| c["user"] == user && c["ssl"] == true;
        let open = connections.as_array().unwrap().iter().filter(of_user);
        assert_eq!(open.count(), 2, "{user}: {connections}");
    }
    // Without a certificate nobody gets as far as a call.
    let plain = std::fs::read_to_string(it.path("leastwise.toml")).unwrap();
    let plain = plain.replace("https://localhost", "http://127.0.0.1");
    let plain = plain.split("[connect.tls]").next().unwrap();
    std::fs::write(it.path("plain.toml"), plain).unwrap();
    let refused: Ended = leastwise(it, "plain.toml", &["status"])
        .output()
        .unwrap()
        .into();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    shows(
        it.of("collector"),
        &["leastwise_tls_handshake_failures_total{"],
    );
}

fn who_has_no_role_is_refused(it: &Installation) {
    // A service of the installation is no operator, and a colleague without a role is none either.
    let nobody = format!("{TRUST}/operator/nobody");
    it.pki
        .issue("nobody", Some(&nobody), &[], Validity::Good)
        .unwrap();
    let own = std::fs::read_to_string(it.path("leastwise.toml")).unwrap();
    for other in ["nobody", "exporter"] {
        let theirs = own.replace("/operator.", &format!("/{other}."));
        std::fs::write(it.path("other.toml"), theirs).unwrap();
        for command in ["status", "sync"] {
            let refused: Ended = leastwise(it, "other.toml", &[command])
                .output()
                .unwrap()
                .into();
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(refused.err.contains("LW-2021"), "{refused:?}");
        }
    }
}

/// Compares the running server with the table in docs/rabbitmq.md.
fn accounts_are_as_documented(it: &Installation) {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rabbitmq.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let table = docs.split("| account | configure | write | read |").nth(1);
    let rows = table.unwrap().lines().skip(2);
    let documented: Vec<[String; 4]> = rows
        .take_while(|row| row.starts_with('|'))
        .map(|row| {
            // A pipe of a pattern is escaped, and what stands behind a pattern explains it.
            let row = row.replace("\\|", "\u{0}");
            let mut cells = row.split('|').skip(1).map(str::trim);
            let account = cells.next().unwrap().split(' ').next().unwrap().to_owned();
            let pattern = cells.map(|c| c.split('`').nth(1).unwrap_or("").replace('\0', "|"));
            let patterns: Vec<String> = pattern.take(3).collect();
            [
                account,
                patterns[0].clone(),
                patterns[1].clone(),
                patterns[2].clone(),
            ]
        })
        .collect();
    let listed = it.rabbit.list_permissions("/").unwrap();
    let mut listed: Vec<[String; 4]> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|p| ["user", "configure", "write", "read"].map(|k| p[k].as_str().unwrap().to_owned()))
        .collect();
    let mut documented = documented;
    listed.sort();
    documented.sort();
    assert_eq!(listed, documented);
}

fn services_can_not_change_their_tables(it: &Installation) {
    for service in ["collector", "normalizer", "exporter"] {
        let table = "_sqlx_migrations";
        let psql = |sql: &str| -> Ended {
            let mut psql = Command::new(it.path("bin/psql"));
            psql.args([service, "-v", "ON_ERROR_STOP=1", "-c", sql]);
            psql.output().unwrap().into()
        };
        // By TLS, with the server's name verified.
        let reads = psql(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(reads.code, Some(0), "{service}: {reads:?}");
        for (sql, says) in [
            ("CREATE TABLE mine (x int)".to_owned(), "permission denied"),
            ("CREATE SCHEMA mine".to_owned(), "permission denied"),
            (format!("DROP TABLE {table}"), "must be owner"),
            (
                format!("ALTER TABLE {table} ADD COLUMN x int"),
                "must be owner",
            ),
            (format!("TRUNCATE {table}"), "permission denied"),
            (
                "DELETE FROM _sqlx_migrations".to_owned(),
                "permission denied",
            ),
        ] {
            let refused = psql(&sql);
            assert_ne!(refused.code, Some(0), "{service}: {sql}");
            assert!(refused.err.contains(says), "{service}: {sql}: {refused:?}");
        }
    }
}

/// Whoever can publish, but seal nothing, puts another header before what was sealed: it is refused, counted and
/// logged.
async fn a_message_moved_to_another_run_is_refused(it: &Installation) {
    let keys = Keys::load(&it.path("secrets/collector.keys")).unwrap();
    let page = PageFetched {
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        dataset: "users".into(),
        run: 7,
        attempt: 8,
        sequence: 9,
        mode: RunMode::Full.into(),
        ..Default::default()
    };
    let mut bytes = keys.seal(&Body::Page(page)).unwrap().bytes().to_vec();
    let run = bytes
        .windows(8)
        .position(|w| w == 7u64.to_be_bytes() || w == 7u64.to_le_bytes())
        .unwrap();
    bytes[run..run + 8].rotate_left(1);
    let moved = Envelope::from_bytes(bytes);
    assert_ne!(moved.label().unwrap().run, 7);
    let own = |name: &str| Some(it.path(&format!("pki/collector.{name}")));
    let config = bus::amqp::Config {
        ca_file: Some(it.pki.ca()),
        cert_file: own("pem"),
        key_file: own("key"),
        ..bus::amqp::Config::new(format!("amqps://localhost:{}", it.rabbit.port()))
    };
    let queue = Amqp::connect(config, Topology::new([Queue::PageFull]))
        .await
        .unwrap();
    queue.publish(&Queue::PageFull, moved).await.unwrap();
    queue.close().await;
    let normalizer = it.of("normalizer");
    shows(
        normalizer,
        &[
            "leastwise_messages_refused_total{",
            "queue=\"page.full\"",
            "reason=\"not-authentic\"",
        ],
    );
    let log = normalizer.log();
    let alarm = |l: &&str| l.contains("LW-2050") && l.contains("\"level\":\"ERROR\"");
    assert!(log.lines().any(|l| alarm(&l)), "{log}");
}

/// What a server shows in a new connection.
async fn shown(it: &Installation, replica: &Replica) -> CertificateDer<'static> {
    let pem = |name: &str| it.path("pki").join(name);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(it.pki.ca()).unwrap())
        .unwrap();
    let own = CertificateDer::from_pem_file(pem("operator.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("operator.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own], key)
        .unwrap();
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", replica.grpc))
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect("localhost".try_into().unwrap(), socket)
        .await
        .unwrap();
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

async fn a_new_certificate_is_shown_while_a_reading_goes_on(it: &Installation) {
    let collector = it.of("collector");
    let before = shown(it, collector).await;
    // Reading stands still at Graph until the new certificate has been seen.
    signal(it, "STOP");
    let mut sync = Running::start(&mut leastwise(it, "leastwise.toml", &["sync"]));
    shows(
        collector,
        &[
            "rpc_server_call_duration_seconds_count{",
            "MakeDue",
            "\"OK\"",
            "} 2",
        ],
    );
    let uri = format!("{TRUST}/collector");
    // The authority's files are the services' own: replaced in place, as a renewal does.
    it.pki
        .issue("collector", Some(&uri), &["localhost"], Validity::Good)
        .unwrap();
    let new = CertificateDer::from_pem_file(it.path("pki/collector.pem")).unwrap();
    assert_ne!(before, new);
    assert_eq!(shown(it, collector).await, new);
    assert!(sync.0.try_wait().unwrap().is_none(), "it goes on");
    signal(it, "CONT");
    let ended = sync.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    works(it, &["status"]);
}

/// To the simulator.
fn signal(it: &Installation, name: &str) {
    let id = it.graph.id().unwrap().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id])
        .status();
    assert!(sent.unwrap().success());
}
