//! Sinks that are sent changes, by the one that needs no vendor: what costs a request, and whom a sink holds up.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use exporter::SinkConfig;
use sink_sim::{Fault, Rule, Sim, Webhook};
use support::{A, B, Rig, directory};

fn webhook(sim: &Sim<Webhook>, dir: &Path, json: &str) -> SinkConfig {
    let secret = dir.join("secret");
    std::fs::write(&secret, "0123456789abcdef").unwrap();
    let mut settings: serde_json::Value = serde_json::from_str(json).unwrap();
    settings["kind"] = "webhook".into();
    settings["url"] = format!("{}/events?token=canary", sim.url()).into();
    settings["secret_file"] = secret.to_str().unwrap().into();
    serde_json::from_value(settings).unwrap()
}

fn start() -> Sim<Webhook> {
    support::receiver(Webhook::default())
}

/// `type subject name` of each event.
fn events(sim: &Sim<Webhook>) -> Vec<String> {
    sim.read(|w| {
        let event = |e: &serde_json::Value| {
            let text = |v: &serde_json::Value| v.as_str().unwrap_or("-").to_owned();
            let kind = text(&e["type"]);
            let kind = kind
                .trim_start_matches("leastwise.")
                .trim_end_matches(".v1");
            format!(
                "{kind} {} {}",
                text(&e["subject"]),
                text(&e["data"]["name"])
            )
        };
        w.events().iter().map(event).collect()
    })
}

const SHOWS: &str = r#"{"shows":{"kinds":["user"],"fields":{"user":["displayName"]},"names":{"user":{"displayName":"name"}}}}"#;

#[tokio::test]
async fn only_what_the_sink_shows_costs_a_request() {
    let sim = start();
    let mut rig = Rig::new(|dir| vec![webhook(&sim, dir, SHOWS)]).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    assert_eq!(events(&sim), ["user.upserted u1 Ann"]);
    // Licences aren't shown, positions aren't wanted, and what never came needn't go.
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.position(A, "e5", 0);
    rig.ledger.remove(A, "user", "u0");
    rig.sync().await;
    assert_eq!(sim.received().len(), 1);
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.restart().await;
    rig.sync().await;
    rig.ledger.remove(A, "user", "u1");
    rig.sync().await;
    assert_eq!(
        events(&sim)[1..],
        ["user.upserted u1 Anna", "user.removed u1 -"]
    );
    assert_eq!(sim.read(Webhook::duplicates), 0);
    let tell = |headers: &http::HeaderMap| headers.contains_key("webhook-signature");
    assert!(sim.received().iter().all(|r| tell(&r.request.headers)));
}

#[tokio::test]
async fn a_sink_that_is_down_holds_up_no_other_and_gets_the_newest_states_only() {
    let (down, up) = (start(), start());
    let rig = Rig::new(|dir| {
        vec![
            webhook(&down, dir, "{}").named("down"),
            webhook(&up, dir, "{}").named("up"),
            directory(dir.join("out")),
        ]
    })
    .await;
    down.inject(Rule::always(Fault::Status {
        status: 500,
        retry_after: None,
    }));
    for n in 0..8 {
        rig.ledger.user(A, "u1", &format!("Ann {n}"), &[]);
        rig.ledger.user(B, "u1", &format!("Bea {n}"), &[]);
        let sinks = rig.wait().await;
        for s in &sinks {
            let fine = s.sink != "down";
            assert_eq!(s.delivered, fine, "{s:?}");
            assert_eq!(s.problem.contains("LW-6040"), !fine, "{s:?}");
            assert!(
                !s.problem.contains("canary") && !s.location.contains("canary"),
                "{s:?}"
            );
        }
    }
    assert_eq!(rig.users(), ["a/u1=Ann 7", "b/u1=Bea 7"]);
    let listed = rig.sinks().await;
    assert_eq!(
        (listed[0].breaker.as_str(), listed[0].delivered),
        ("open", 0)
    );
    assert_eq!(
        (listed[1].breaker.as_str(), listed[1].delivered),
        ("closed", 2)
    );
    assert!(
        listed[0].lag_seconds > 0 && listed[1].lag_seconds == 0,
        "{listed:?}"
    );
    down.heal();
    rig.sync().await;
    let names = down.read(|w| w.events().to_vec());
    let names: Vec<_> = names
        .iter()
        .map(|e| e["data"]["displayName"].clone())
        .collect();
    assert_eq!(names.len(), 2, "the newest states only: {names:?}");
}

#[tokio::test]
async fn a_test_says_what_would_go_and_sends_nothing() {
    let sim = start();
    let rig = Rig::new(|dir| vec![webhook(&sim, dir, SHOWS)]).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    let lacks = rig.test().await;
    assert!(
        lacks.problem.is_empty() && lacks.changes.is_empty(),
        "{lacks:?}"
    );
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u3", "Cid", &[]);
    rig.ledger.remove(A, "user", "u2");
    let before = events(&sim);
    let lacks = rig.test().await;
    let [users] = &lacks.changes[..] else {
        panic!("{lacks:?}");
    };
    assert_eq!((users.written, users.removed, users.unchanged), (1, 1, 1));
    assert_eq!(users.keys, ["u3", "u2"]);
    assert_eq!(events(&sim), before);
    sim.inject(Rule::always(Fault::Unauthorized));
    let refused = rig.test().await;
    assert!(refused.problem.starts_with("LW-6042"), "{refused:?}");
}

#[tokio::test]
async fn a_receiver_that_asks_for_less_gets_less() {
    let sim = start();
    let rig = Rig::new(|dir| vec![webhook(&sim, dir, r#"{"batch":true}"#)]).await;
    sim.inject(Rule::once(Fault::Status {
        status: 413,
        retry_after: None,
    }));
    for n in 0..2 {
        rig.ledger.user(A, &format!("u{n}"), "Ann", &[]);
    }
    rig.sync().await;
    // A batch of two in the ledger's order: refused, then its halves.
    assert_eq!(sim.received().len(), 3);
    assert_eq!(sim.read(|w| w.events().len()), 2);
    // A pause is kept, even where somebody waits.
    sim.inject(Rule::once(Fault::Status {
        status: 429,
        retry_after: Some("3600".into()),
    }));
    rig.ledger.user(A, "u9", "Zoe", &[]);
    for _ in 0..3 {
        let sinks = rig.wait().await;
        assert!(sinks[0].problem.starts_with("LW-6041"), "{sinks:?}");
    }
    assert_eq!(sim.received().len(), 4);
}

#[tokio::test]
async fn redirects_and_wrong_addresses_reject_no_record() {
    let sim = start();
    let rig = Rig::new(|dir| vec![webhook(&sim, dir, "{}")]).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    for fault in [
        Fault::Redirect(format!("{}/elsewhere", sim.url())),
        Fault::Status {
            status: 404,
            retry_after: None,
        },
        Fault::Status {
            status: 410,
            retry_after: None,
        },
    ] {
        sim.inject(Rule::once(fault));
        let sinks = rig.wait().await;
        assert!(sinks[0].problem.starts_with("LW-6043"), "{sinks:?}");
    }
    assert!(rig.rejects().await.is_empty());
    rig.sync().await;
    assert_eq!(sim.read(|w| w.events().len()), 1);
}

#[tokio::test]
async fn addresses_by_which_a_machine_answers_are_not_called() {
    let sim = start();
    let rig = Rig::new(|dir| {
        let mut sink = serde_json::to_value(webhook(&sim, dir, "{}")).unwrap();
        sink["url"] = "https://169.254.169.254/latest".into();
        vec![serde_json::from_value(sink).unwrap()]
    })
    .await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let waited = tokio::time::timeout(Duration::from_secs(60), rig.wait()).await;
    let sinks = waited.unwrap();
    assert!(
        sinks[0]
            .problem
            .contains("169.254.169.254 must not be called"),
        "{sinks:?}"
    );
}

#[tokio::test]
async fn days_are_left_until_the_last_day_that_the_configuration_names() {
    let sim = start();
    let listed = |json: &'static str| {
        let sim = &sim;
        async move {
            let mut rig = Rig::new(|dir| vec![webhook(sim, dir, json)]).await;
            let listed = rig.sinks().await;
            rig.stop().await;
            listed[0].credential_days
        }
    };
    assert_eq!(listed("{}").await, None);
    let over = listed(r#"{"expires":"2026-01-31"}"#).await.unwrap();
    assert!(over < 0, "{over}");
    let (one, two) = (
        listed(r#"{"expires":"2999-01-31"}"#).await.unwrap(),
        listed(r#"{"expires":"2999-02-01"}"#).await.unwrap(),
    );
    assert!(two - one <= 1 && one > 100_000, "{one} {two}");
}
