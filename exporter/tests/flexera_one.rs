//! Flexera One, as its vendor documents it: nothing of a roster lost, nothing loaded twice to another result.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;

use exporter::SinkConfig;
use prost::Message as _;
use proto::inventory::v1::{LicensePosition, User};
use serde_json::{Value, json};
use sink_sim::{Credentials, Fault, FlexeraOne, Request, Rule, Sim};
use support::{A, B, Rig, receiver};

fn start() -> Sim<FlexeraOne> {
    receiver(FlexeraOne::new(100, Credentials::new("app", "secret")))
}

fn settings(sim: &Sim<FlexeraOne>, dir: &Path, more: Value) -> SinkConfig {
    let secret = dir.join("client");
    std::fs::write(&secret, "secret").unwrap();
    let mut settings = json!({
        "kind": "flexera_one", "url": sim.url(), "organization": 100, "apps": { A: "a1", B: "b2" }, "users": "all",
        "oauth": {
            "token_url": format!("{}/oidc/token", sim.url()), "client_id": "app", "client_secret_file": secret,
        },
    });
    let all = settings.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

async fn rig(sim: &Sim<FlexeraOne>) -> Rig {
    rig_with(sim, json!({})).await
}

async fn rig_with(sim: &Sim<FlexeraOne>, more: Value) -> Rig {
    Rig::new(|dir| vec![settings(sim, dir, more)]).await
}

/// First names of those who are active, and the SKUs that they hold.
fn active(sim: &Sim<FlexeraOne>, app: &str) -> Vec<String> {
    sim.read(|f| {
        let users = f.roster(app).into_values();
        let users = users.filter(|u| u.get("deactivatedAt").is_none());
        users
            .map(|u| format!("{} {}", u["firstName"].as_str().unwrap(), u["skus"]))
            .collect()
    })
}

fn jobs(sim: &Sim<FlexeraOne>) -> Vec<String> {
    sim.read(|f| {
        let jobs = f.jobs().into_iter();
        jobs.map(|(_, status)| status.to_owned()).collect()
    })
}

/// What is wrong with a tenant.
async fn problem(rig: &Rig, tenant: &str) -> String {
    let sinks = rig.wait().await;
    let of = sinks.into_iter().find(|s| s.tenant_id == tenant);
    of.unwrap().problem
}

#[tokio::test]
async fn a_roster_follows_the_ledger_and_who_is_gone_is_deactivated() {
    let sim = start();
    let mut rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.ledger.user(B, "u1", "Bea", &["e5"]);
    let position = LicensePosition {
        tenant_id: A.into(),
        sku_id: "e5".into(),
        sku_part_number: "SPE_E5".into(),
        ..LicensePosition::default()
    };
    let record = (
        "license_position",
        "e5".to_owned(),
        Some(position.encode_to_vec()),
    );
    rig.ledger.close(A, vec![record]);
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Ann ["SPE_E5"]"#, "Bob []"]);
    assert_eq!(active(&sim, "b2"), [r#"Bea ["e5"]"#]);
    rig.restart().await;
    rig.sync().await;
    assert_eq!(jobs(&sim).len(), 2, "nothing changed");
    rig.ledger.remove(A, "user", "u2");
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), ["Anna []"]);
    assert_eq!(sim.read(|f| f.roster("a1").len()), 2);
    assert_eq!(jobs(&sim), ["completed"; 3]);
    sim.read(|f| {
        assert!(
            f.files()
                .iter()
                .all(|file| file.gzip && file.content.is_some())
        )
    });
}

#[tokio::test]
async fn an_upload_and_a_job_of_which_nobody_heard_are_made_once() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    sim.inject(Rule::once(Fault::CutAfter).method("PATCH"));
    sim.inject(
        Rule::once(Fault::CutAfter)
            .method("POST")
            .path("/import-jobs"),
    );
    assert!(problem(&rig, A).await.starts_with("LW-6040"));
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Ann ["e5"]"#]);
    assert_eq!((jobs(&sim).len(), sim.read(|f| f.files().len())), (1, 1));
    // One that had no effect is made anew.
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    sim.inject(Rule::once(Fault::Cut).method("POST").path("/import-jobs"));
    assert!(problem(&rig, A).await.starts_with("LW-6040"));
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Anna ["e5"]"#]);
    assert_eq!(jobs(&sim), ["completed"; 2]);
}

/// Kills the exporter while a job is under way.
async fn killed(sim: &Sim<FlexeraOne>, rig: &mut Rig) {
    sim.change(|f| f.hold_jobs(true));
    let closing = rig.ledger.user(A, "u1", "Ann", &["e5"]);
    sim.forget_received();
    rig.announce(closing).await;
    let polled = |sim: &Sim<FlexeraOne>| {
        let received = sim.received().into_iter();
        let polls = received.filter(|r| r.request.path.contains("/import-jobs/"));
        polls.filter(|r| r.status == Some(200)).count() > 0
    };
    while !polled(sim) {
        tokio::task::yield_now().await;
    }
    rig.kill().await;
    assert_eq!(jobs(sim).last().unwrap(), "ready");
}

#[tokio::test]
async fn a_job_that_was_under_way_is_found_again() {
    let sim = start();
    let mut rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "An", &[]);
    rig.sync().await;
    killed(&sim, &mut rig).await;
    rig.start().await;
    sim.change(|f| f.hold_jobs(false));
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Ann ["e5"]"#]);
    assert_eq!(jobs(&sim), ["completed"; 2], "not loaded a second time");
}

#[tokio::test]
async fn a_newer_state_waits_for_the_job_of_an_older_one() {
    let sim = start();
    let mut rig = rig_with(&sim, json!({ "job_seconds": 1 })).await;
    rig.ledger.user(A, "u1", "An", &[]);
    rig.sync().await;
    killed(&sim, &mut rig).await;
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.start().await;
    let told = problem(&rig, A).await;
    assert!(told.starts_with("LW-6061"), "{told}");
    assert_eq!(jobs(&sim), ["completed", "ready"]);
    sim.change(|f| f.hold_jobs(false));
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Anna ["e5"]"#]);
    assert_eq!(jobs(&sim), ["completed"; 3]);
}

/// Another exporter may have stopped in the middle of its request, and go on with it.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn whoever_takes_over_begins_nothing_while_a_job_may_still_be_made() {
    let sim = start();
    let more = json!({ "answer_seconds": 1 });
    let mut rig = Rig::shared(|dir| vec![settings(&sim, dir, more)]).await;
    rig.ledger.user(A, "u1", "An", &[]);
    rig.sync().await;
    rig.restart().await;
    sim.inject(Rule::once(Fault::Hang).method("POST").path("/import-jobs"));
    sim.forget_received();
    let closing = rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.announce(closing).await;
    let making = |r: &sink_sim::Received| {
        r.request.method == http::Method::POST && r.request.path.ends_with("/import-jobs")
    };
    while !sim.received().iter().any(making) {
        tokio::task::yield_now().await;
    }
    rig.kill().await;
    rig.start().await;
    let told = problem(&rig, A).await;
    assert!(told.starts_with("LW-6061"), "{told}");
    assert_eq!(sim.received().iter().filter(|r| making(r)).count(), 1);
    assert_eq!(active(&sim, "a1"), ["An []"]);
}

#[tokio::test]
async fn a_job_that_fails_is_followed_by_another_and_not_by_ever_more() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    let fail = || sim.change(|f| f.fail_next_job("line 1: ann@a.example is not welcome"));
    fail();
    let told = problem(&rig, A).await;
    assert!(
        told.starts_with("LW-6060") && told.contains("line 1: … is not welcome"),
        "{told}"
    );
    assert!(active(&sim, "a1").is_empty());
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Ann ["e5"]"#]);
    assert_eq!(jobs(&sim), ["failed", "completed"]);
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    for _ in 0..5 {
        fail();
        assert!(problem(&rig, A).await.starts_with("LW-6060"));
    }
    assert_eq!(jobs(&sim).len(), 5, "three more, and then one an hour");
    assert_eq!(
        active(&sim, "a1"),
        [r#"Ann ["e5"]"#],
        "what stood there stands"
    );
}

#[tokio::test]
async fn wrong_credentials_are_told_and_a_token_that_was_withdrawn_is_replaced() {
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    sim.change(|f| f.set_credentials(Credentials::new("app", "other")));
    let told = problem(&rig, A).await;
    assert!(
        told.starts_with("LW-6042") && !told.contains("secret"),
        "{told}"
    );
    assert!(rig.test().await.problem.starts_with("LW-6042"));
    sim.change(|f| f.set_credentials(Credentials::new("app", "secret")));
    rig.sync().await;
    assert!(rig.test().await.problem.is_empty());
    // The same credentials, but no token of before.
    sim.change(|f| f.set_credentials(Credentials::new("app", "secret")));
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), ["Anna []"]);
}

fn status(status: u16, after: Option<&str>) -> Fault {
    Fault::Status {
        status,
        retry_after: after.map(str::to_owned),
    }
}

#[tokio::test]
async fn pauses_are_kept_and_files_that_are_too_large_made_smaller() {
    let sim = start();
    let rig = rig(&sim).await;
    sim.inject(Rule::once(status(429, Some("0"))).path("/saas-data"));
    sim.inject(
        Rule::once(status(429, None))
            .method("POST")
            .path("/import-jobs"),
    );
    sim.inject(
        Rule::once(status(503, None))
            .method("GET")
            .path("/import-jobs"),
    );
    sim.inject(Rule::once(status(413, None)).method("PATCH"));
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    assert_eq!(jobs(&sim), ["completed"]);
    sim.inject(Rule::once(status(429, Some("3600"))));
    rig.ledger.user(A, "u1", "Anna", &[]);
    assert!(problem(&rig, A).await.starts_with("LW-6041"));
    let before = sim.received().len();
    assert!(problem(&rig, A).await.starts_with("LW-6041"));
    assert_eq!(sim.received().len(), before, "it wants to be left alone");
    // However small, it is too large.
    let sim = start();
    let rig = rig_with(&sim, json!({})).await;
    sim.inject(Rule::always(status(413, None)).method("PATCH"));
    rig.ledger.user(A, "u1", "Ann", &[]);
    assert!(problem(&rig, A).await.starts_with("LW-6044"));
    assert!(jobs(&sim).is_empty());
}

#[tokio::test]
async fn one_tenant_s_trouble_is_its_own() {
    let sim = start();
    let more = json!({ "apps": { A: "a1" }, "answer_seconds": 1 });
    let rig = rig_with(&sim, more).await;
    rig.ledger.user(A, "u1", &"Ann".repeat(1 << 20), &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    assert!(problem(&rig, B).await.starts_with("LW-6063"));
    assert!(problem(&rig, A).await.is_empty());
    assert_eq!(active(&sim, "a1").len(), 1, "whatever somebody is called");
    sim.inject(Rule::always(Fault::Hang).path("/import-jobs/"));
    rig.ledger.user(A, "u1", "Ann", &[]);
    let told = problem(&rig, A).await;
    assert!(
        told.starts_with("LW-6040") && told.contains("in time"),
        "{told}"
    );
}

#[tokio::test]
async fn a_roster_that_lost_most_of_its_people_is_held() {
    let sim = start();
    let rig = rig_with(&sim, json!({ "guard": { "percent": 50, "minimum": 2 } })).await;
    for n in 0..4 {
        rig.ledger.user(A, &format!("u{n}"), "Ann", &[]);
    }
    rig.sync().await;
    for n in 0..3 {
        rig.ledger.remove(A, "user", &format!("u{n}"));
    }
    assert!(problem(&rig, A).await.starts_with("LW-6030"));
    assert_eq!(
        (active(&sim, "a1").len(), sim.read(|f| f.files().len())),
        (4, 1)
    );
    rig.ledger.user(A, "u0", "Ann", &[]);
    rig.sync().await;
    assert_eq!(active(&sim, "a1").len(), 2);
}

#[tokio::test]
async fn an_address_is_needed_and_a_licence_unless_all_are_wanted() {
    let sim = start();
    let rig = rig_with(&sim, json!({ "users": "licensed" })).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    let nobody = User {
        tenant_id: A.into(),
        user_id: "u3".into(),
        ..User::default()
    };
    rig.ledger
        .close(A, vec![("user", "u3".into(), Some(nobody.encode_to_vec()))]);
    rig.sync().await;
    assert_eq!(active(&sim, "a1"), [r#"Ann ["e5"]"#]);
}

#[tokio::test]
async fn settings_that_would_load_two_tenants_into_one_are_refused() {
    let sim = start();
    let dir = tempfile::tempdir().unwrap();
    for (more, says) in [
        (
            json!({ "apps": { A: "a1", B: "a1" } }),
            "one managed application",
        ),
        (json!({ "apps": { A: "A1" } }), "hexadecimal"),
        (json!({ "organization": 0 }), "begins with 1"),
        (json!({ "url": "http://flexera.example" }), "https"),
        (json!({ "job_seconds": 0 }), "job_seconds"),
    ] {
        let sink = settings(&sim, dir.path(), more);
        let told = sink.target.check("flexera").unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
}

/// By a server that was made of the vendor's own document and refuses what it doesn't allow. An upload it can't read:
/// it is no JSON.
#[tokio::test]
async fn the_vendors_document_allows_every_request() {
    let Some(prism) = servers::Prism::flexera_one().unwrap() else {
        return;
    };
    let sim = start();
    let rig = rig(&sim).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    sim.inject(
        Rule::once(Fault::CutAfter)
            .method("POST")
            .path("/import-jobs"),
    );
    rig.wait().await;
    rig.sync().await;
    rig.test().await;
    let unknown = |r: &Request| r.path.ends_with("/token") || r.method == http::Method::PATCH;
    let asked = support::prism::allowed(&prism, sim.received(), unknown).await;
    let times = |method: &str| asked.iter().filter(|m| *m == method).count();
    assert!(times("POST") >= 2 && times("GET") >= 3, "{asked:?}");
}
