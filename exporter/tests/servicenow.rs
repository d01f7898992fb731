//! ServiceNow, played after its documentation: what stands in the target table, and what happens when it doesn't.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::process::Command;
use std::time::Duration;

use exporter::SinkConfig;
use prost::Message as _;
use proto::inventory::v1::{LicensePosition, Subscription};
use serde_json::Value;
use servers::{Pki, Python, Validity};
use sink_sim::{Credentials, Fault, Rule, ServiceNow, Sim, Tls, Transform};
use support::servicenow::{
    STAGING, TARGET, columns, instance, settings, shipped, transform, users,
};
use support::{A, B, Rig, receiver};

fn start() -> Sim<ServiceNow> {
    receiver(instance(transform()))
}

async fn rig(sim: &Sim<ServiceNow>) -> Rig {
    Rig::new(|dir| vec![SinkConfig::new(settings(sim, dir))]).await
}

/// How many requests came to paths that hold this.
fn asked(sim: &Sim<ServiceNow>, path: &str) -> usize {
    let received = sim.received();
    let those = received.iter().filter(|r| r.request.path.contains(path));
    those.count()
}

/// What the sink says of tenant A.
async fn told(rig: &Rig) -> String {
    let sinks = rig.wait().await;
    let of_a = sinks.into_iter().find(|s| s.tenant_id == A).unwrap();
    of_a.problem
}

fn target(sim: &Sim<ServiceNow>, key: &str) -> std::collections::BTreeMap<String, String> {
    sim.read(|now| {
        let mut rows = now.target().iter().filter(|row| row["u_key"] == key);
        let row = rows.next().unwrap().clone();
        assert!(rows.next().is_none(), "{key} twice");
        row
    })
}

#[tokio::test]
async fn records_of_three_kinds_have_rows_and_removed_ones_say_nothing_else() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    let position = LicensePosition {
        tenant_id: A.into(),
        sku_id: "e5".into(),
        product_name: "Microsoft 365 E5".into(),
        provisioned: 25,
        available: -3,
        ..LicensePosition::default()
    };
    let subscription = Subscription {
        tenant_id: A.into(),
        id: "s1".into(),
        sku_id: "e5".into(),
        status: Some("Enabled".into()),
        ..Subscription::default()
    };
    rig.ledger.close(
        A,
        vec![
            (
                "license_position",
                "e5".into(),
                Some(position.encode_to_vec()),
            ),
            (
                "subscription",
                "s1".into(),
                Some(subscription.encode_to_vec()),
            ),
        ],
    );
    rig.sync().await;
    let user = target(&sim, &format!("{A}|user|u1"));
    let licenses = r#"[{"sku":"e5","paths":["unknown"],"groups":[]}]"#;
    assert_eq!(user["u_licenses"], licenses);
    let position = target(&sim, &format!("{A}|license_position|e5"));
    assert_eq!(
        (
            &*position["u_product_name"],
            &*position["u_provisioned"],
            &*position["u_available"]
        ),
        ("Microsoft 365 E5", "25", "-3")
    );
    let subscription = target(&sim, &format!("{A}|subscription|s1"));
    assert_eq!(subscription["u_status"], "Enabled");
    // What nothing of changed costs no request.
    let before = sim.received().len();
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.sync().await;
    assert_eq!(sim.received().len(), before);
    rig.ledger.remove(A, "user", "u1");
    rig.sync().await;
    let removed = target(&sim, &format!("{A}|user|u1"));
    assert_eq!(
        (&*removed["u_removed"], &*removed["u_display_name"]),
        ("true", "")
    );
}

#[tokio::test]
async fn rows_count_when_they_are_transformed() {
    let sim = start();
    sim.change(|now| now.transformation_takes(Duration::from_secs(60)));
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let later = async {
        // Two looks find rows that wait; then they are due.
        while asked(&sim, "/table/") < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(sim.read(users).is_empty());
        sim.clock().advance(Duration::from_secs(61));
    };
    tokio::join!(rig.sync(), later);
    assert_eq!(sim.read(users), ["a/u1=Ann"]);
    assert_eq!(asked(&sim, "insertMultiple"), 1);
}

#[tokio::test]
async fn a_row_that_is_refused_is_told_without_its_content_and_the_others_go_on() {
    let sim = start();
    let rig = rig(&sim).await;
    let key = format!("{A}|user|u2");
    sim.change(|now| now.fail(&key, "rule 7: Bobby Tables is no name"));
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(A, "u2", "Bobby Tables", &[]);
    rig.sync().await;
    assert_eq!(sim.read(users), ["a/u1=Ann"]);
    let rejects = rig.rejects().await;
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].key, "u2");
    assert_eq!(
        rejects[0].reason,
        "its row has the state `error`: rule 7: … is no name"
    );
    sim.change(ServiceNow::fail_nothing);
    rig.replay().await;
    rig.sync().await;
    assert_eq!(sim.read(users), ["a/u1=Ann", "a/u2=Bobby Tables"]);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_got_anew_once() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    sim.inject(Rule::once(Fault::Unauthorized).path("/table/"));
    rig.sync().await;
    assert_eq!(
        (asked(&sim, "oauth_token.do"), asked(&sim, "insertMultiple")),
        (2, 1)
    );
    // Wrong credentials are tried once more with a token of their own, and told.
    sim.change(|now| now.set_credentials(Credentials::new("app", "another")));
    rig.ledger.user(A, "u1", "Anna", &[]);
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6042"), "{problem}");
    assert!(!problem.contains("secret`"), "{problem}");
    sim.change(|now| now.set_credentials(Credentials::new("app", "secret")));
    rig.sync().await;
    assert_eq!(sim.read(users), ["a/u1=Anna"]);
}

#[tokio::test]
async fn an_answer_that_is_none_takes_nothing() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann Lee", &[]);
    let answer = |status, content_type, body: &str| Fault::Answer {
        status,
        content_type,
        body: body.to_owned(),
    };
    let inside = r#"{"error":{"message":"Ann Lee: no rights","detail":""},"status":"failure"}"#;
    for (fault, code, says) in [
        (
            answer(201, "application/json", inside),
            "LW-6040",
            "…: no rights",
        ),
        (
            answer(200, "text/html", "<html>Sign in</html>"),
            "LW-6040",
            "not the JSON",
        ),
        (
            Fault::Status {
                status: 500,
                retry_after: None,
            },
            "LW-6040",
            "500",
        ),
        (Fault::Cut, "LW-6040", ""),
        (
            Fault::Redirect("https://login.example/".to_owned()),
            "LW-6043",
            "30",
        ),
    ] {
        sim.inject(Rule::once(fault).path("insertMultiple"));
        let problem = told(&rig).await;
        assert!(
            problem.starts_with(code) && problem.contains(says),
            "{problem}"
        );
        assert!(!problem.contains("Ann Lee"), "{problem}");
        assert!(sim.read(users).is_empty());
    }
    rig.sync().await;
    assert!(rig.rejects().await.is_empty());
    assert_eq!(sim.read(users), ["a/u1=Ann Lee"]);
}

#[tokio::test]
async fn a_set_that_is_too_large_is_halved_and_a_pause_is_kept() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    let status = |status, retry_after: Option<&str>| Fault::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
    };
    sim.inject(Rule::once(status(413, None)).path("insertMultiple"));
    rig.sync().await;
    assert_eq!(asked(&sim, "insertMultiple"), 3);
    assert_eq!(sim.read(users), ["a/u1=Ann", "a/u2=Bob"]);
    rig.ledger.user(A, "u1", "Anna", &[]);
    for pause in [None, Some("3600")] {
        sim.inject(Rule::once(status(429, pause)));
        let problem = told(&rig).await;
        assert!(problem.starts_with("LW-6041"), "{problem}");
    }
    assert_eq!(sim.read(users), ["a/u1=Ann", "a/u2=Bob"]);
}

#[tokio::test]
async fn who_does_not_answer_or_transform_in_time_is_told_and_gets_it_again() {
    let sim = start();
    let rig = Rig::new(|dir| {
        let mut settings = settings(&sim, dir);
        settings.push_seconds = 1;
        vec![SinkConfig::new(settings)]
    })
    .await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    sim.inject(Rule::once(Fault::Hang).path("insertMultiple"));
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6040"), "{problem}");
    sim.change(|now| now.hold_transformations(true));
    let problem = told(&rig).await;
    assert!(
        problem.starts_with("LW-6040") && problem.contains("not transformed in time"),
        "{problem}"
    );
    sim.change(|now| now.hold_transformations(false));
    // The first connection breaks after it took effect.
    sim.inject(Rule::once(Fault::CutAfter).path("insertMultiple"));
    told(&rig).await;
    rig.sync().await;
    assert_eq!(sim.read(users), ["a/u1=Ann"]);
    let staged = sim.read(|now| now.rows(STAGING).len());
    assert_eq!(staged, 3, "each time the same row");
    assert!(rig.rejects().await.is_empty());
}

#[tokio::test]
async fn an_import_set_that_overtakes_another_does_no_harm() {
    let sim = start();
    let mut rig = rig(&sim).await;
    sim.change(|now| {
        now.hold_transformations(true);
        now.transform_backwards(true);
    });
    let closing = rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.announce(closing).await;
    let staged = || sim.read(|now| now.rows(STAGING).len());
    let until = async |rows| {
        while staged() < rows {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(1).await;
    rig.kill().await;
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.start().await;
    let release = async {
        until(2).await;
        sim.change(|now| now.hold_transformations(false));
    };
    tokio::join!(rig.sync(), release);
    assert_eq!(sim.read(users), ["a/u1=Anna"]);
    let states: Vec<_> = sim.read(|now| {
        let rows = now.rows(STAGING).iter();
        rows.map(|row| row["sys_import_state"].clone()).collect()
    });
    assert_eq!(states, ["ignored", "inserted"]);
}

#[tokio::test]
async fn tables_that_lack_something_are_told() {
    let without = |column: &str| Transform {
        columns: columns(STAGING)
            .into_iter()
            .filter(|c| c.0 != column)
            .collect(),
        ..transform()
    };
    let short = |column: &str| Transform {
        columns: columns(STAGING)
            .into_iter()
            .map(|(name, length)| (name.clone(), if name == column { 40 } else { length }))
            .collect(),
        ..transform()
    };
    let elsewhere = Transform {
        staging: "u_other".to_owned(),
        ..transform()
    };
    for (transform, says) in [
        (without("u_mail"), "u_mail"),
        (short("u_key"), "u_key"),
        (elsewhere, "no table u_leastwise_import"),
    ] {
        let sim = receiver(instance(transform));
        let rig = rig(&sim).await;
        rig.ledger.user(A, "u1", "Ann", &[]);
        let problem = told(&rig).await;
        assert!(
            problem.starts_with("LW-6050") && problem.contains(says),
            "{problem}"
        );
        assert!(rig.rejects().await.is_empty(), "no record is at fault");
        let tested = rig.test().await;
        assert!(
            tested.problem.starts_with("LW-6050") || says == "u_key",
            "{tested:?}"
        );
    }
}

#[tokio::test]
async fn an_independent_client_reads_what_the_sink_wrote() {
    let Some(python) = Python::installed().unwrap() else {
        return;
    };
    let pki_dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(pki_dir.path()).unwrap();
    let files = pki
        .issue("instance", None, &["localhost"], Validity::Good)
        .unwrap();
    let tls = Tls {
        certificate: files.certificate,
        key: files.key,
    };
    let sim = std::thread::spawn(move || Sim::start_tls(instance(transform()), &tls));
    let sim = sim.join().unwrap().unwrap();
    let url = sim.url().replace("127.0.0.1", "localhost");
    let rig = Rig::new(|dir| {
        let mut settings = settings(&sim, dir);
        settings.url = url.parse().unwrap();
        settings.http.ca_file = Some(files.ca.clone());
        vec![SinkConfig::new(settings)]
    })
    .await;
    rig.ledger.user(A, "u1", "Zoë \"Z\" <&>\u{1f600}", &["e5"]);
    rig.ledger.user(A, "u2", &"x".repeat(2 << 20), &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.ledger.remove(A, "user", "u9");
    rig.sync().await;
    let mut script = python.script("servicenow_read.py");
    script.args([&url, TARGET, "u_removed=false^ORDERBYu_key", "--ca"]);
    script.arg(&files.ca);
    script
        .env("CLIENT_ID", "app")
        .env("CLIENT_SECRET", "secret");
    let read = servers::run_text(&mut script, "").unwrap();
    let rows: Vec<Value> = serde_json::from_str(&read).unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|r| r["u_display_name"].as_str().unwrap())
        .collect();
    let long = "x".repeat(255);
    assert_eq!(names, ["Zoë \"Z\" <&>\u{1f600}", &long, "Bea"]);
}

#[test]
fn the_shipped_scripts_do_what_the_page_says() {
    let harness = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/glide.js");
    let mut node = Command::new("node");
    node.arg(harness).arg(shipped());
    let told = servers::run_text(&mut node, "").unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    for table in [STAGING, TARGET] {
        let made = told["columns"][table].as_array().unwrap();
        let listed = columns(table);
        assert_eq!(made.len(), listed.len(), "{table}");
    }
    assert_eq!(told["twice"], 0, "a second run makes nothing");
    assert_eq!(
        told["first"],
        serde_json::json!(["e3 direct p:", "e5 group p:e5"])
    );
    assert_eq!(
        told["older"],
        serde_json::json!({ "ignored": true, "rows": ["e3 direct p:", "e5 group p:e5"] })
    );
    assert_eq!(told["newer"], serde_json::json!(["e3 direct p:"]));
    assert_eq!(told["position"], serde_json::json!(["e3 direct p:e3"]));
    assert_eq!(told["removed"], serde_json::json!([]));
    assert_eq!(
        told["person"],
        serde_json::json!(["ann", "by mail", "", ""])
    );
}
