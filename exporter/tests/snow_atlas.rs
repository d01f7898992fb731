//! Snow Atlas, as its vendor documents it: each licence once, with exactly those who hold it.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;

use exporter::SinkConfig;
use prost::Message as _;
use proto::inventory::v1::LicensePosition;
use serde_json::{Value, json};
use sink_sim::{Credentials, Fault, Received, Request, Rule, Sim, SnowAtlas};
use support::{A, B, Rig, receiver};

const METRIC: &str = "00000000-0000-0000-0000-00000000000b";

fn start() -> Sim<SnowAtlas> {
    let sim = receiver(SnowAtlas::new(Credentials::new("app", "secret")));
    sim.change(|s| {
        for n in 0..3 {
            s.add_account(&format!("CORP\\u{n}"), &format!("U{n}@a.example"));
        }
        s.add_account("u1@b.example", "");
    });
    sim
}

fn settings(sim: &Sim<SnowAtlas>, dir: &Path, more: Value) -> SinkConfig {
    let secret = dir.join("client");
    std::fs::write(&secret, "secret").unwrap();
    let mut settings = json!({
        "kind": "snow_atlas", "url": sim.url(), "metric_id": METRIC,
        "oauth": {
            "token_url": format!("{}/idp/api/connect/token", sim.url()), "client_id": "app",
            "client_secret_file": secret,
        },
    });
    let all = settings.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

async fn rig(sim: &Sim<SnowAtlas>) -> Rig {
    Rig::new(|dir| vec![settings(sim, dir, json!({}))]).await
}

fn position(rig: &Rig, sku: &str, name: &str, units: i32) {
    let position = LicensePosition {
        tenant_id: A.into(),
        sku_id: sku.into(),
        sku_part_number: sku.to_uppercase(),
        product_name: name.into(),
        provisioned: units,
        ..LicensePosition::default()
    };
    let record = (
        "license_position",
        sku.to_owned(),
        Some(position.encode_to_vec()),
    );
    rig.ledger.close(A, vec![record]);
}

/// `tenant:sku=quantity` and the places of accounts that hold it.
fn licenses(sim: &Sim<SnowAtlas>) -> Vec<String> {
    let mut all: Vec<_> = sim.read(|s| {
        let told = |l: &sink_sim::AtlasLicense| {
            let external = l.fields["externalId"].as_str().unwrap();
            let (tenant, sku) = external.split_once(':').unwrap();
            // The first accounts that were added have the first ids.
            let users = l.users.iter().map(|(user, _)| &user[7..8]);
            let users: Vec<_> = users.collect();
            format!(
                "{}:{sku}={} {}",
                &tenant[..1],
                l.fields["quantity"],
                users.join(",")
            )
        };
        s.licenses().iter().map(told).collect()
    });
    all.sort();
    all
}

/// What was asked that changes something.
fn changes(sim: &Sim<SnowAtlas>) -> usize {
    let changing = |r: &Received| {
        let token = r.request.path.ends_with("/token");
        r.request.method != http::Method::GET && !token
    };
    sim.received().iter().filter(|r| changing(r)).count()
}

async fn problem(rig: &Rig) -> String {
    let sinks = rig.wait().await;
    let of = sinks.into_iter().find(|s| s.tenant_id == A);
    of.unwrap().problem
}

#[tokio::test]
async fn licences_follow_the_ledger_and_what_did_not_change_costs_nothing() {
    let sim = start();
    let mut rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5", "visio"]);
    rig.ledger.user(A, "u1", "Bob", &["e5"]);
    rig.ledger.user(B, "u1", "Bea", &["e5"]);
    position(&rig, "e5", &"E5".repeat(1 << 20), 7);
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=7 1,2", "a:visio=0 1", "b:e5=0 4"]);
    let fields = sim.read(|s| s.licenses()[0].fields.clone());
    assert_eq!(
        (&fields["sku"], &fields["metricId"]),
        (&json!("E5"), &json!(METRIC))
    );
    sim.forget_received();
    rig.restart().await;
    rig.sync().await;
    // A new name changes no licence.
    rig.ledger.user(A, "u1", "Bobby", &["e5"]);
    rig.sync().await;
    assert_eq!(changes(&sim), 0);
    rig.ledger.user(A, "u1", "Bobby", &["visio"]);
    rig.sync().await;
    assert_eq!(licenses(&sim)[..2], ["a:e5=7 1", "a:visio=0 1,2"]);
    assert_eq!(changes(&sim), 2, "the users of two licences");
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    rig.ledger.user(A, "u1", "Bobby", &[]);
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=7 1", "b:e5=0 4"]);
}

#[tokio::test]
async fn what_people_wrote_into_a_licence_stays() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    position(&rig, "e5", "E5", 7);
    rig.sync().await;
    let theirs = json!({ "purchaseValue": 12.5, "notes": "see contract 7", "metricId": null });
    let id = sim.read(|s| s.licenses()[0].id.clone());
    let mut fields = sim.read(|s| s.licenses()[0].fields.clone());
    fields.extend(theirs.as_object().unwrap().clone());
    let token = json!({ "authorization": bearer(&sim) });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = http.put(format!("{}/api/sam/v1/licenses/{id}", sim.url()));
    let put = put
        .header("authorization", token["authorization"].as_str().unwrap())
        .body(Value::Object(fields).to_string());
    assert!(put.send().await.unwrap().status().is_success());
    position(&rig, "e5", "E5", 9);
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=9 1"]);
    let fields = sim.read(|s| s.licenses()[0].fields.clone());
    assert_eq!(fields["purchaseValue"], 12.5);
    assert_eq!(fields["notes"], "see contract 7");
}

/// The token that the sink was given last.
fn bearer(sim: &Sim<SnowAtlas>) -> String {
    let received = sim.received();
    let with = received
        .iter()
        .filter_map(|r| r.request.header("authorization"));
    with.last().unwrap().to_owned()
}

#[tokio::test]
async fn who_has_no_account_is_a_reject_until_there_is_one() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    rig.ledger.user(A, "bad", "Bad", &["e5"]);
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=0 1"]);
    let rejects = rig.rejects().await;
    let [bad] = &rejects[..] else {
        panic!("{rejects:?}");
    };
    assert_eq!((bad.kind.as_str(), bad.key.as_str()), ("user", "bad"));
    assert!(bad.reason.contains("no account") && !bad.reason.contains('@'));
    sim.change(|s| s.add_account("", "bad@a.example"));
    rig.replay().await;
    rig.sync().await;
    assert!(rig.rejects().await.is_empty());
    assert_eq!(sim.read(|s| s.licenses()[0].users.len()), 2);
}

#[tokio::test]
async fn a_licence_of_which_nobody_heard_is_made_once() {
    let sim = start();
    let mut rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    sim.inject(Rule::once(Fault::CutAfter).method("POST").path("/licenses"));
    assert!(problem(&rig).await.starts_with("LW-6040"));
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=0 1"]);
    // Killed between the licence and its users.
    sim.inject(
        Rule::once(Fault::HangAfter)
            .method("PUT")
            .path("/assignments"),
    );
    sim.forget_received();
    let closing = rig.ledger.user(A, "u1", "Bob", &["e5"]);
    rig.announce(closing).await;
    let asked = |sim: &Sim<SnowAtlas>| {
        let received = sim.received();
        received
            .iter()
            .any(|r| r.seen && r.request.path.ends_with("/users"))
    };
    while !asked(&sim) {
        tokio::task::yield_now().await;
    }
    rig.kill().await;
    rig.ledger.user(A, "u0", "Ann", &[]);
    rig.start().await;
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=0 2"]);
}

#[tokio::test]
async fn what_somebody_removed_or_made_twice_is_told_or_made_again() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    rig.ledger.user(A, "u1", "Bob", &["e3"]);
    rig.sync().await;
    let id = sim.read(|s| s.licenses()[0].id.clone());
    sim.change(|s| s.remove_license(&id));
    assert_eq!(licenses(&sim).len(), 1);
    rig.resync().await;
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e3=0 2", "a:e5=0 1"]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = http.post(format!("{}/api/sam/v1/licenses", sim.url()));
    let body = json!({ "externalId": format!("{A}:e5") }).to_string();
    let post = post.header("authorization", bearer(&sim)).body(body);
    assert!(post.send().await.unwrap().status().is_success());
    rig.resync().await;
    let told = problem(&rig).await;
    assert!(
        told.starts_with("LW-6064") && told.contains(":e5"),
        "{told}"
    );
}

fn status(status: u16, after: Option<&str>) -> Fault {
    Fault::Status {
        status,
        retry_after: after.map(str::to_owned),
    }
}

#[tokio::test]
async fn refusals_have_their_words_and_pauses_are_kept() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    sim.change(|s| s.set_credentials(Credentials::new("app", "other")));
    let told = problem(&rig).await;
    assert!(
        told.starts_with("LW-6042") && !told.contains("secret"),
        "{told}"
    );
    assert!(rig.test().await.problem.starts_with("LW-6042"));
    sim.change(|s| s.set_credentials(Credentials::new("app", "secret")));
    sim.inject(Rule::once(status(429, Some("0"))).path("/user-accounts"));
    sim.inject(
        Rule::once(status(429, None))
            .method("POST")
            .path("/licenses"),
    );
    sim.inject(Rule::once(status(500, None)).method("PUT"));
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e5=0 1"]);
    // Too many users for one request: that licence is refused, the others go on.
    rig.ledger.user(A, "u1", "Bob", &["e3", "e5"]);
    let path = format!("{}/assignments", sim.read(|s| s.licenses()[0].id.clone()));
    sim.inject(Rule::always(status(413, None)).method("PUT").path(&path));
    rig.sync().await;
    assert_eq!(licenses(&sim), ["a:e3=0 2", "a:e5=0 1"]);
    let rejects = rig.rejects().await;
    let keys: Vec<_> = rejects
        .iter()
        .map(|r| (r.kind.as_str(), r.key.as_str()))
        .collect();
    assert_eq!(keys, [("license_position", "e5")]);
    sim.heal();
    rig.replay().await;
    rig.sync().await;
    assert!(rig.rejects().await.is_empty());
    assert_eq!(licenses(&sim), ["a:e3=0 2", "a:e5=0 1,2"]);
    sim.inject(Rule::once(status(429, Some("3600"))));
    rig.ledger.user(A, "u1", "Bob", &["e3"]);
    assert!(problem(&rig).await.starts_with("LW-6041"));
    let before = sim.received().len();
    assert!(problem(&rig).await.starts_with("LW-6041"));
    assert_eq!(sim.received().len(), before);
}

#[tokio::test]
async fn pages_are_read_to_their_end_and_a_loss_is_held() {
    let sim = start();
    sim.change(|s| {
        for n in 0..250 {
            s.add_account("", &format!("many{n}@a.example"));
        }
    });
    let rig = rig(&sim).await;
    for n in [0, 150, 249] {
        rig.ledger.user(A, &format!("many{n}"), "Ann", &["e5"]);
    }
    for n in 0..25 {
        rig.ledger
            .user(A, &format!("many{}", 100 + n), "Ann", &["e5"]);
    }
    rig.sync().await;
    assert!(rig.rejects().await.is_empty());
    assert_eq!(sim.read(|s| s.licenses()[0].users.len()), 28);
    for n in 0..25 {
        rig.ledger.remove(A, "user", &format!("many{}", 100 + n));
    }
    assert!(problem(&rig).await.starts_with("LW-6030"));
    assert_eq!(sim.read(|s| s.licenses()[0].users.len()), 28);
}

#[tokio::test]
async fn settings_that_can_not_be_right_are_refused() {
    let sim = start();
    let dir = tempfile::tempdir().unwrap();
    for (more, says) in [
        (json!({ "metric_id": "users" }), "GUIDs"),
        (json!({ "applications": { "SPE_E5": "E5" } }), "GUIDs"),
        (json!({ "url": "http://atlas.example" }), "https"),
        (json!({ "answer_seconds": 0 }), "answer_seconds"),
    ] {
        let sink = settings(&sim, dir.path(), more);
        let told = sink.target.check("atlas").unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
}

/// By a server that was made of the vendor's own document and refuses what it doesn't allow. Accounts are in another
/// document.
#[tokio::test]
async fn the_vendors_document_allows_every_request() {
    let Some(prism) = servers::Prism::snow_atlas().unwrap() else {
        return;
    };
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u0", "Ann", &["e5"]);
    rig.ledger.user(A, "u1", "Bob", &["e3"]);
    rig.sync().await;
    position(&rig, "e5", "E5", 9);
    rig.ledger.user(A, "u1", "Bob", &[]);
    rig.sync().await;
    rig.test().await;
    let unknown = |r: &Request| r.path.ends_with("/token") || r.path.ends_with("/user-accounts");
    let methods = support::prism::allowed(&prism, sim.received(), unknown).await;
    let methods: std::collections::BTreeSet<_> = methods.into_iter().collect();
    let all: Vec<_> = methods.into_iter().collect();
    assert_eq!(all, ["DELETE", "GET", "POST", "PUT"]);
}
