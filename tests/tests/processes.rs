//! Each service as a process of its own: what it says of its configuration, and that it starts, is asked and stops.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bus::Keys;
use proto::token::v1::token_service_client::TokenServiceClient;
use proto::token::v1::{GetTokenRequest, ListTenantsRequest};
use runtime::grpc::{Channel, Remote, connect};
use runtime::tls;
use serde_json::Value;
use servers::{Pki, Validity};
use tests::process::{Ended, Running, SERVICES, Simulator, program};

const TRUST: &str = "spiffe://test";
const SECRET: &str = "hunter2-the-secret";

/// A complete configuration of a service, with certificates, on ports that the system chooses.
fn configure(home: &Path, service: &str, pki: &Pki) -> String {
    let uri = format!("{TRUST}/{service}");
    pki.issue(service, Some(&uri), &["localhost"], Validity::Good)
        .unwrap();
    Keys::generate().save(&home.join("queue.keys")).unwrap();
    for name in ["secret", "webhook-secret"] {
        std::fs::write(home.join(name), SECRET).unwrap();
    }
    let common = format!(
        "grpc.listen = '127.0.0.1:0'\nhttp.listen = '127.0.0.1:0'\n\
         tls = {{ ca_file = 'pki/ca.pem', cert_file = 'pki/{service}.pem', key_file = 'pki/{service}.key' }}\n\
         admin.'{TRUST}/operator/ann' = ['operator', 'approver']\n"
    );
    let queue = "queue_keys_file = 'queue.keys'\n\
                 bus = { url = 'amqp://127.0.0.1:1', username = 'u', password_file = 'secret' }\n\
                 db = { url = 'postgres://u@127.0.0.1:1/d', password_file = 'secret' }\n";
    let own = match service {
        "token-broker" => format!(
            "callers = ['{TRUST}/collector']\n[[tenants]]\nid = '11111111-2222-3333-4444-555555555555'\n\
             client_id = 'c'\nclient_secret_file = 'secret'\n\
             [webhook]\nurl = 'http://127.0.0.1:1/hook'\nsecret_file = 'webhook-secret'\n"
        ),
        "collector" => format!(
            "token_broker = {{ endpoint = 'https://localhost:1', identity = '{TRUST}/token-broker' }}\n{queue}"
        ),
        "normalizer" => {
            at_rest(&home.join("at-rest.key"));
            format!(
                "callers = ['{TRUST}/exporter']\npools = ['default', 'eu']\n\
                 at_rest = {{ key_file = 'at-rest.key' }}\nnormalizer.retention.set_aside_days = 14\n{queue}"
            )
        }
        _ => format!(
            "normalizer = {{ endpoint = ['https://localhost:1', 'https://localhost:2'], identity = '{TRUST}/normalizer' }}\n\
             {queue}[[sinks]]\nkind = 'files'\npath = 'inventory'\n"
        ),
    };
    format!("{common}{own}")
}

/// A key file as an operator makes one.
fn at_rest(file: &Path) {
    normalizer::AtRest::embedded(file.to_owned()).unwrap();
}

struct Installation {
    home: tempfile::TempDir,
    pki: Pki,
    service: &'static str,
}

impl Installation {
    fn new(service: &'static str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let pki = Pki::new(home.path().join("pki")).unwrap();
        let text = configure(home.path(), service, &pki);
        std::fs::write(home.path().join("it.toml"), text).unwrap();
        Installation { home, pki, service }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program(self.service);
        command.current_dir(self.home.path());
        if !arguments.contains(&"--config") {
            command.args(["--config", "it.toml"]);
        }
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let ended: Ended = self.command(arguments).output().unwrap().into();
        let text = format!("{ended:?}");
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains("panicked"), "{text}");
        ended
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: &str, says: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        let line = ended.err.lines().find(|l| l.starts_with("LW-"));
        let line = line.unwrap_or_else(|| panic!("{ended:?}"));
        assert!(line.starts_with(code), "{line}");
        for part in says {
            assert!(line.contains(part), "{part:?} is missing in {line}");
        }
    }
}

#[test]
fn each_says_what_is_fine_and_what_is_wrong_with_its_configuration() {
    for service in SERVICES {
        let it = Installation::new(service);
        let fine = it.run(&["--check-config"]);
        assert_eq!(fine.code, Some(0), "{fine:?}");
        let identity = format!("fine: this is {TRUST}/{service}");
        assert!(fine.out.contains(&identity), "{fine:?}");

        it.refuses(
            &["--check-config", "--set", "grpc.lisen=127.0.0.1:1"],
            "LW-1002",
            &["--set grpc.lisen", "did you mean `listen`?"],
        );
        it.refuses(
            &["--check-config", "--set", "tls.key_file=nowhere"],
            "LW-1010",
            &["nowhere"],
        );
        it.refuses(
            &["--set", "grpc.plaintext_peer=ann"],
            "LW-1002",
            &["spiffe://"],
        );
        let mut misspelt = it.command(&["--check-config"]);
        misspelt.env("LEASTWISE__SHUTDOWN_GRACE_SECOND", "5");
        let ended: Ended = misspelt.output().unwrap().into();
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(
            ended.err.contains("did you mean `shutdown_grace_seconds`?"),
            "{ended:?}"
        );
        assert!(
            ended.err.contains("LEASTWISE__SHUTDOWN_GRACE_SECOND"),
            "{ended:?}"
        );
        it.refuses(&["--config", "none.toml"], "LW-1001", &["none.toml"]);
    }
    let broker = Installation::new("token-broker");
    std::fs::remove_file(broker.home.path().join("secret")).unwrap();
    broker.refuses(&["--check-config"], "LW-2013", &["secret"]);
    std::fs::write(broker.home.path().join("secret"), SECRET).unwrap();
    let plain = ["--check-config", "--set", "webhook.url=http://example.org/"];
    broker.refuses(&plain, "LW-1020", &["not https"]);
    let collector = Installation::new("collector");
    std::fs::write(collector.home.path().join("queue.keys"), "x").unwrap();
    let ended = collector.run(&["--check-config"]);
    assert!(ended.err.contains("LW-4026"), "{ended:?}");
    let plain = [
        "--check-config",
        "--set",
        "token_broker.endpoint=http://broker:1",
    ];
    collector.refuses(&plain, "LW-1011", &["http://broker:1"]);
}

#[test]
fn the_key_of_set_aside_objects_is_looked_at_first() {
    let it = Installation::new("normalizer");
    let fine = it.run(&["--check-config"]);
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert!(fine.out.contains("key of set-aside objects"), "{fine:?}");
    let key = it.home.path().join("at-rest.key");
    std::fs::write(&key, "too short").unwrap();
    it.refuses(&["--check-config"], "LW-5040", &["at-rest.key"]);
    std::fs::remove_file(&key).unwrap();
    it.refuses(&["--check-config"], "LW-5040", &["at-rest.key"]);
    // It doesn't start without it either, and waits for no database before it says so.
    it.refuses(&[], "LW-5040", &["at-rest.key"]);
    let never = [
        "--check-config",
        "--set",
        "normalizer.retention.removed_days=0",
    ];
    it.refuses(&never, "LW-1002", &["removed_days"]);
}

#[test]
fn each_shows_what_is_in_effect_without_secrets() {
    for service in SERVICES {
        let it = Installation::new(service);
        let mut command = it.command(&["--dump-config", "--set", "shutdown_grace_seconds=7"]);
        command.env("LEASTWISE__HTTP__LISTEN", "127.0.0.1:19464");
        let ended: Ended = command.output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let shown: toml::Table = ended.out.parse().unwrap();
        assert_eq!(shown["shutdown_grace_seconds"].as_integer(), Some(7));
        assert_eq!(shown["http"]["listen"].as_str(), Some("127.0.0.1:19464"));
        assert!(!ended.out.contains(SECRET));
        // What is shown is a configuration.
        std::fs::write(it.home.path().join("shown.toml"), &ended.out).unwrap();
        let again = it.run(&["--config", "shown.toml", "--dump-config"]);
        assert_eq!(again.out, ended.out);
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What a process has logged so far.
type Log = Arc<Mutex<Vec<Value>>>;

/// Starts it and waits until it says where its page is.
fn start(it: &Installation) -> (Running, String, Log) {
    let mut running = Running::start(&mut it.command(&[]));
    let errors = BufReader::new(running.0.stderr.take().unwrap());
    let log = Log::default();
    let lines = errors.lines().map_while(Result::ok);
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        let parsed = lines.filter_map(|l| serde_json::from_str(&l).ok());
        parsed.for_each(|line| written.lock().unwrap().push(line));
    });
    let page = logged(&log, |line| line["page"].is_string());
    let page = page["page"].as_str().unwrap();
    let page = page.trim_start_matches("Some(").trim_end_matches(')');
    (running, page.to_owned(), log)
}

/// Waits for a line of the log.
#[track_caller]
fn logged(log: &Log, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    let limit = std::time::Duration::from_secs(60);
    let waited = servers::wait_until("a line of the log", limit, || {
        found = log.lock().unwrap().iter().find(|l| wanted(l)).cloned();
        Ok(found.is_some())
    });
    assert!(waited.is_ok(), "{:?}", log.lock().unwrap());
    found.unwrap()
}

#[test]
fn each_starts_without_what_it_needs_says_so_and_stops_on_a_signal() {
    for service in SERVICES {
        let it = Installation::new(service);
        let (running, page, _) = start(&it);
        assert!(get(&page, "/livez").contains(" 200 "), "{service}");
        let metrics = get(&page, "/metrics");
        assert!(
            metrics.contains(&format!("service_name=\"{service}\"")),
            "{metrics}"
        );
        assert!(metrics.contains("process_cpu_time"), "{metrics}");
        // Only the token-broker needs nobody else.
        let wanted = if service == "token-broker" {
            " 200 "
        } else {
            "database: LW-4003"
        };
        let deadline = std::time::Duration::from_secs(60);
        let ready = servers::wait_until(wanted, deadline, || {
            Ok(get(&page, "/readyz").contains(wanted))
        });
        assert!(ready.is_ok(), "{service}: {}", get(&page, "/readyz"));
        running.signal("TERM");
        assert_eq!(running.end().code, Some(0), "{service}");
    }
}

/// Where a running token-broker is reached.
fn endpoint(log: &Log) -> String {
    let line = logged(log, |l| l["message"] == "gRPC is served");
    let address = line["address"].as_str().unwrap();
    address.replace("127.0.0.1", "https://localhost")
}

/// A certificate of an authority, for calls to an installation.
fn issue(it: &Installation, pki: &Pki, name: &str, validity: Validity) -> tls::Config {
    let uri = format!("{TRUST}/{name}");
    let files = pki.issue(name, Some(&uri), &[], validity).unwrap();
    tls::Config {
        ca_file: it.home.path().join("pki/ca.pem"),
        cert_file: files.certificate,
        key_file: files.key,
    }
}

fn client(endpoint: &str, tls: &tls::Config) -> TokenServiceClient<Channel> {
    let remote = Remote {
        endpoint: vec![endpoint.to_owned()],
        identity: Some(format!("{TRUST}/token-broker").parse().unwrap()),
    };
    TokenServiceClient::new(connect("token-broker", &remote, Some(tls)).unwrap())
}

/// A collector that calls a running token-broker.
fn collector_of(it: &Installation, log: &Log) -> TokenServiceClient<Channel> {
    let tls = issue(it, &it.pki, "collector", Validity::Good);
    client(&endpoint(log), &tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_broker_answers_collectors_and_notes_whom_it_refused_and_why() {
    let it = Installation::new("token-broker");
    let (_running, page, log) = start(&it);
    let endpoint = endpoint(&log);
    let issue = |pki: &Pki, name: &str, validity| issue(&it, pki, name, validity);
    let list = async |tls: tls::Config| {
        let mut client = client(&endpoint, &tls);
        client.list_tenants(ListTenantsRequest::default()).await
    };
    // The authority that the broker trusts: made anew by the same name, it would be another one.
    let pki = &it.pki;
    let tenants = list(issue(pki, "collector", Validity::Good)).await.unwrap();
    assert_eq!(tenants.into_inner().tenants.len(), 1);

    let status = list(issue(pki, "exporter", Validity::Good))
        .await
        .unwrap_err();
    assert!(status.message().starts_with("LW-2021: "), "{status:?}");
    let line = logged(&log, |l| l["target"] == "audit");
    assert_eq!(
        (&line["who"], &line["outcome"]),
        (&format!("{TRUST}/exporter").into(), &"denied".into())
    );

    let other = Pki::new(it.home.path().join("other")).unwrap();
    list(issue(pki, "late", Validity::Expired))
        .await
        .unwrap_err();
    list(issue(&other, "stranger", Validity::Good))
        .await
        .unwrap_err();
    let refused = |why: &'static str| {
        move |l: &Value| l["code"] == "LW-2020" && l["reason"].as_str().unwrap().contains(why)
    };
    logged(&log, refused("xpired"));
    logged(&log, refused("invalid peer certificate: BadSignature"));

    let metrics = get(&page, "/metrics");
    for series in [
        "leastwise_tls_handshake_failures_total{error_type=\"certificate\"",
        "rpc_server_call_duration_seconds_count{",
        "rpc_response_status_code=\"PERMISSION_DENIED\"",
    ] {
        assert!(metrics.contains(series), "{series} is missing in {metrics}");
    }
}

/// A broker before a simulated tenant, whose app proves itself by a certificate.
fn broker_of(sim: &Simulator) -> Installation {
    let it = Installation::new("token-broker");
    let path = it.home.path().join("it.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let tenant = "id = '11111111-2222-3333-4444-555555555555'\nclient_id = 'c'\nclient_secret_file = 'secret'\n";
    assert!(text.contains(tenant), "{text}");
    let simulated = format!(
        "id = '{}'\nclient_id = '{}'\nauthority = '{}'\ngraph = '{}'\n\
         [[tenants.credentials]]\nkind = 'certificate'\ncertificate_file = 'app.pem'\n",
        sim.text("id"),
        sim.text("clientId"),
        sim.text("authority"),
        sim.text("graph")
    );
    std::fs::write(path, text.replace(tenant, &simulated)).unwrap();
    std::fs::write(it.home.path().join("app.pem"), sim.text("certificate")).unwrap();
    it
}

/// A receiver of telemetry that takes connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn telemetry_that_hangs_costs_only_itself() {
    let sim = Simulator::start(5, 1);
    let it = broker_of(&sim);
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = it.home.path().join("it.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let telemetry = format!(
        "[telemetry]\nmetrics_seconds = 1\n[telemetry.otlp]\nendpoint = 'http://{}'\n",
        hangs.local_addr().unwrap()
    );
    std::fs::write(path, text + &telemetry).unwrap();
    let (running, page, log) = start(&it);
    let request = GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        ..Default::default()
    };
    let asked = collector_of(&it, &log).get_token(request).await;
    asked.unwrap();
    logged(&log, |l| {
        l["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("telemetry can't be sent"))
    });
    // Asked far more often than anybody does.
    for _ in 0..20 {
        let metrics = get(&page, "/metrics");
        assert!(
            metrics.contains("leastwise_telemetry_spans_total{outcome=\"lost\""),
            "{metrics}"
        );
        assert!(get(&page, "/readyz").contains(" 200 "));
    }
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    drop(hangs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_brokers_page_shows_what_it_does() {
    let sim = Simulator::start(5, 1);
    let it = broker_of(&sim);
    let (running, page, log) = start(&it);
    let mut client = collector_of(&it, &log);
    let mut ask = async |dataset: &str| {
        let request = GetTokenRequest {
            tenant_id: sim.text("id").to_owned(),
            dataset: dataset.to_owned(),
            ..Default::default()
        };
        client.get_token(request).await
    };
    ask("users").await.unwrap();
    // More than it should: an event, for which the receiver isn't there.
    sim.control(
        "POST",
        "consent",
        r#"{"roles":["User.Read.All","Mail.Read"]}"#,
    );
    let rejected = GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        refused: true,
        ..Default::default()
    };
    collector_of(&it, &log)
        .get_token(rejected)
        .await
        .unwrap_err();
    let refused = "leastwise_webhook_deliveries_total{outcome=\"refused\"";
    let limit = std::time::Duration::from_secs(60);
    let tried = servers::wait_until("a delivery", limit, || {
        Ok(get(&page, "/metrics").contains(refused))
    });
    let metrics = get(&page, "/metrics");
    assert!(tried.is_ok(), "{metrics}");
    for series in [
        "leastwise_token_requests_total{outcome=\"issued\"",
        "leastwise_token_requests_total{outcome=\"LW-2030\"",
        "leastwise_token_fetches_total{reason=\"first\"",
        "leastwise_token_fetches_total{reason=\"rejected\"",
        "leastwise_token_left_seconds_bucket{",
        "leastwise_entra_duration_seconds_bucket{http_response_status_code=\"200\",outcome=\"issued\"",
        "leastwise_audit_write_duration_seconds_count{outcome=\"written\"",
        "leastwise_credential_next_end_days{",
        "leastwise_credential_ending{",
        "leastwise_events_total{",
        "type=\"leastwise.drift.permissions\"",
        "type=\"leastwise.excess.refused\"",
        // Who needs somebody, and why.
        &format!(
            "leastwise_token_failing{{code=\"LW-2030\",dataset=\"users\",tenant=\"{}\"",
            sim.text("id")
        ),
        "leastwise_credential_left_days{",
    ] {
        assert!(metrics.contains(series), "{series} is missing in {metrics}");
    }
    // What it could not deliver is told at its end, which comes within the grace.
    running.signal("TERM");
    for what in ["leastwise.drift.permissions", "leastwise.excess.refused"] {
        logged(&log, |l| l["code"] == "LW-2070" && l["event"] == what);
    }
    assert_eq!(running.end().code, Some(0));
    let lines = log.lock().unwrap();
    assert!(lines.iter().all(|l| !l.to_string().contains(SECRET)));
}
