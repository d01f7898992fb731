//! Every expression of the dashboards and every series of the alerts has data in an installation that runs and to which what
//! they tell of has happened; and the alerts that matter most fire there, with tenant and stage.

use std::time::Duration;

use serde_json::Value;
use servers::wait_until;
use sink_sim::{Fault, Rule, Sim, Webhook};
use tests::dev::Args;
use tests::otlp::Receiver;
use tests::process::program;
use tests::watch::{Watched, boards, letter, promql, workspace};

const LIMIT: Duration = Duration::from_secs(180);
/// The tenant of whom everything can be read.
const WELL: usize = 0;
/// The one whose secret is wrong.
const SECRET: usize = 1;
/// The one that took a permission away.
const DENIED: usize = 2;

/// As `dev up` writes them, with sinks that fail, a receiver of events, and secrets that end in a week.
fn adjusted(
    service: &str,
    text: String,
    down: u16,
    picky: &str,
    events: &str,
    secret: &str,
) -> String {
    match service {
        "exporter" => {
            let sink = |name: &str, url: &str| {
                format!(
                    "[[sinks]]\nkind = \"webhook\"\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\nexpires = \"2027-03-31\"\n"
                )
            };
            text + &sink("down", &format!("http://127.0.0.1:{down}/")) + &sink("picky", picky)
        }
        "token-broker" => {
            let soon =
                runtime::clock::rfc3339(runtime::Clock::system().micros() + 7 * 86_400_000_000);
            let ending = text.lines().map(|line| match line.strip_prefix("client_secret_file = ") {
                Some(file) => format!(
                    "credentials = [{{ kind = \"client_secret\", file = {file}, expires = \"{}\" }}]\n",
                    &soon[..10]
                ),
                None => format!("{line}\n"),
            });
            ending.collect::<String>()
                + &format!("[webhook]\nurl = \"{events}\"\nsecret_file = \"{secret}\"\n")
        }
        // One tenant at a time, so that others wait; and soon again.
        "collector" => {
            text.replace("[collector]\n", "[collector]\nconcurrent_tenants = 1\n")
                + "[collector.cadence]\norganization = 60\n"
        }
        _ => text,
    }
}

/// Everything that alerts and dashboards tell of, as far as it can be made to happen.
async fn trouble(watched: &Watched) {
    let control = |path: &str, body: &str| watched.control("POST", path, body).unwrap();
    // Somebody wrote a wrong secret, somebody took a permission.
    std::fs::write(watched.secret(SECRET), "not-the-secret").unwrap();
    control(
        &format!("consent?tenant={DENIED}&app=0"),
        r#"{"roles":["User.Read.All"]}"#,
    );
    watched.forget_tokens(SECRET).unwrap();
    watched.forget_tokens(DENIED).unwrap();
    // Another token is refused once.
    control(
        "faults",
        r#"{"status":401,"path":"/subscribedSkus","times":1}"#,
    );
    // Half of the users are deleted, Graph throttles, and says what nobody has documented.
    control(
        &format!("storm?tenant={WELL}"),
        r#"{"kind":"deletion","users":30}"#,
    );
    control(
        "faults",
        r#"{"status":429,"path":"/users","times":2,"retryAfter":1}"#,
    );
    control("trouble", r#"{"kind":"unknown","share":1}"#);
    letter::dead(watched, &watched.tenants[WELL]).await.unwrap();
    // Somebody without a certificate.
    let plain =
        std::net::TcpStream::connect(("127.0.0.1", watched.it.of("collector").grpc)).unwrap();
    std::io::Write::write_all(&mut &plain, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    watched.sync().unwrap();
}

/// As Grafana fills it in.
fn filled(query: &str) -> String {
    let choices = ["$tenant", "$service", "$sink"];
    let text = query.replace("$__rate_interval", "10m");
    choices
        .iter()
        .fold(text, |text, choice| text.replace(choice, ".*"))
}

/// Expressions, with the place where they stand.
fn expressions(watched: &Watched) -> Vec<(String, String)> {
    let boards = boards::asked("prometheus").unwrap().into_iter();
    let mut all: Vec<_> = boards.map(|a| (a.place, filled(&a.query))).collect();
    assert!(all.len() > 120, "{}", all.len());
    for rule in watched.prometheus.rules().unwrap() {
        for selector in promql::selectors(rule["query"].as_str().unwrap()) {
            all.push((format!("rule {}", rule["name"]), selector.exists()));
        }
    }
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all.dedup_by(|a, b| a.1 == b.1);
    all
}

/// Waits until there is a series.
#[track_caller]
fn exists(watched: &Watched, series: &str) {
    let there = wait_until(series, LIMIT, || {
        Ok(!watched.prometheus.query(series)?.is_empty())
    });
    assert!(there.is_ok(), "{series}: {}", watched.what_fires());
}

/// Asks all of them until each has had data.
#[track_caller]
fn each_has_data(watched: &Watched) {
    let mut left = expressions(watched);
    let asked = left.len();
    let all = wait_until("every expression has data", LIMIT, || {
        left.retain(|(_, query)| watched.prometheus.query(query).unwrap().is_empty());
        Ok(left.is_empty())
    });
    let lines: Vec<_> = left
        .iter()
        .map(|(place, query)| format!("{place}: {query}"))
        .collect();
    assert!(
        all.is_ok(),
        "{} of {asked} have no data:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

/// Every attribute by which the dashboard of traces finds spans is in one that came.
fn each_attribute_came(otlp: &Receiver) {
    let asked = boards::attributes().unwrap();
    assert!(asked.len() > 5, "{asked:?}");
    let mut missing = asked.clone();
    let all = wait_until("every attribute came", LIMIT, || {
        let seen = otlp.seen();
        missing.retain(|attribute| match attribute.strip_prefix("span.") {
            Some(key) => !seen
                .spans
                .iter()
                .any(|span| !span.attribute(key).is_empty()),
            None => {
                attribute != "resource.service.name"
                    || seen.spans.iter().any(|span| span.service.is_empty())
            }
        });
        Ok(missing.is_empty())
    });
    assert!(all.is_ok(), "{missing:?} of {asked:?}");
}

/// It fires, its text names stage and tenant, and it leads to a page and a dashboard that are there.
#[track_caller]
fn fires(
    watched: &Watched,
    name: &str,
    stage: &str,
    tenant: Option<&str>,
    labels: &[(&str, &str)],
) {
    let mut all = labels.to_vec();
    all.push(("stage", stage));
    all.extend(tenant.map(|tenant| ("tenant", tenant)));
    let alert = watched.until_it_fires(name, &all).unwrap();
    let text = |key: &str| alert["annotations"][key].as_str().unwrap().to_owned();
    assert!(
        text("summary").starts_with(&format!("{stage}: ")),
        "{alert}"
    );
    assert!(
        tenant.is_none_or(|t| text("summary").contains(t)),
        "{alert}"
    );
    assert!(
        !text("summary").contains("error") && !text("description").contains("error"),
        "{alert}"
    );
    assert!(workspace(&text("runbook_url")).exists(), "{alert}");
    let board = text("dashboard");
    let board = board.trim_start_matches("/d/").split('?').next().unwrap();
    assert!(
        workspace(&format!("deploy/grafana/{board}.json")).exists(),
        "{alert}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_seen() {
    program("collector");
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let events = Sim::start(Webhook::new(None)).unwrap();
    let answer = Fault::Status {
        status: 400,
        retry_after: None,
    };
    sim.inject(Rule::always(answer).times(3));
    let otlp = Receiver::start().await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("hook");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let down = servers::free_port().unwrap();
    let args = Args {
        replicas: 1,
        tenants: 3,
        users: 60,
        seed: 5,
        unscheduled: false,
        otlp: Some(otlp.endpoint.clone()),
        log: None,
    };
    let adjust = |service: &str, text: String| {
        adjusted(
            service,
            text,
            down,
            sim.url(),
            events.url(),
            &secret.display().to_string(),
        )
    };
    let watched = Watched::start(&args, 1, &adjust).unwrap();
    let printed = watched.sync().unwrap();
    let conserved =
        "sum(leastwise_objects_sealed_total) == sum(leastwise_objects_settled_total) > 0";
    wait_until("what is sealed is settled", LIMIT, || {
        Ok(!watched.prometheus.query(conserved)?.is_empty())
    })
    .unwrap_or_else(|e| panic!("{e}: {printed}"));

    // Somebody's turn came by itself.
    exists(&watched, "leastwise_schedule_lateness_seconds_count");

    trouble(&watched).await;
    let tenant = |n: usize| Some(watched.tenants[n].as_str());
    fires(
        &watched,
        "LeastwiseTokenFailing",
        "token-broker",
        tenant(SECRET),
        &[("code", "LW-2001")],
    );
    fires(
        &watched,
        "LeastwiseDatasetFailing",
        "collector",
        tenant(DENIED),
        &[("code", "LW-3003")],
    );
    fires(
        &watched,
        "LeastwiseRemovalsHeld",
        "normalizer",
        tenant(WELL),
        &[],
    );
    fires(
        &watched,
        "LeastwiseSinkFailing",
        "exporter",
        None,
        &[("sink", "down"), ("code", "LW-6040")],
    );
    fires(
        &watched,
        "LeastwiseDeadLetters",
        "queue",
        None,
        &[("queue", "page.full")],
    );
    fires(
        &watched,
        "LeastwiseDrift",
        "token-broker",
        None,
        &[("type", "leastwise.drift.permissions")],
    );

    // The ledger refuses what it is given, while everything is asked for.
    let (right, pages) = ("INSERT, UPDATE ON dataset_state", "INSERT ON inbox_page");
    watched
        .sql(
            "normalizer",
            &format!("REVOKE {pages} FROM leastwise_normalizer"),
        )
        .unwrap();
    watched
        .sql(
            "normalizer",
            &format!("REVOKE {right} FROM leastwise_normalizer"),
        )
        .unwrap();
    watched.control("POST", "advance?days=1", "").unwrap();
    let slow = r#"{"delayMs":12000,"path":"/users","times":3}"#;
    watched.control("POST", "faults", slow).unwrap();
    let reading = std::thread::scope(|scope| {
        let reading = scope.spawn(|| watched.sync().unwrap());
        // At first no page is taken either: each comes again.
        exists(
            &watched,
            "messaging_process_duration_seconds_count{error_type!=\"\"}",
        );
        watched
            .sql(
                "normalizer",
                &format!("GRANT {pages} TO leastwise_normalizer"),
            )
            .unwrap();
        fires(
            &watched,
            "LeastwiseApplyFailing",
            "normalizer",
            tenant(WELL),
            &[("code", "LW-5001")],
        );
        each_has_data(&watched);
        watched
            .sql(
                "normalizer",
                &format!("GRANT {right} TO leastwise_normalizer"),
            )
            .unwrap();
        watched.until_it_ends("LeastwiseApplyFailing", &[]).unwrap();
        reading.join().unwrap()
    });
    each_attribute_came(&otlp);
    let broken = watched.firing("LeastwiseConservationBroken", &[]).unwrap();
    assert_eq!(broken, None, "{reading}");
    let lost: Vec<Value> = watched
        .prometheus
        .query("up{job=\"leastwise\"} == 0")
        .unwrap();
    assert!(lost.is_empty(), "{lost:?}");
}
