//! Snipe-IT, played after its documentation and source: who sits on which licence, and what happens when it fails.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use exporter::SinkConfig;
use exporter::sink::snipe_it::{MatchBy, SnipeIt as Settings};
use sink_sim::{Fault, Rule, Sim, SnipeIt};
use support::snipe_it::{TOKEN, creating, holder, position, seats, settings, system, users};
use support::{A, Rig, receiver};

async fn rig(sim: &Sim<SnipeIt>, change: impl FnOnce(&mut Settings)) -> Rig {
    Rig::new(|dir| {
        let mut settings = settings(sim, dir);
        change(&mut settings);
        vec![SinkConfig::new(settings)]
    })
    .await
}

/// A system in which these people are.
fn with(people: &[&str]) -> Sim<SnipeIt> {
    let sim = receiver(system());
    sim.change(|now| {
        for name in people {
            now.add_person(&format!("{name}@x"), &format!("{name}@mail"), "");
        }
    });
    sim
}

/// Starts the exporter anew with another setting of the sink.
async fn reconfigure(rig: &mut Rig, key: &str, value: u64) {
    rig.stop().await;
    rig.configure(|c| {
        let mut sink = serde_json::to_value(&c.sinks[0]).unwrap();
        sink[key] = value.into();
        c.sinks[0] = serde_json::from_value(sink).unwrap();
    });
    rig.start().await;
}

/// How often something was changed, by Snipe-IT's own log.
fn count(sim: &Sim<SnipeIt>, what: &str) -> usize {
    sim.read(|now| {
        now.log()
            .iter()
            .filter(|line| line.starts_with(what))
            .count()
    })
}

async fn told(rig: &Rig) -> String {
    rig.wait().await.remove(0).problem
}

#[tokio::test]
async fn licences_have_their_units_and_seats_their_holders() {
    let sim = with(&["ann", "bob"]);
    let mut rig = rig(&sim, |_| ()).await;
    let name = "Tom & Jerry's <E5> \"x\"";
    rig.ledger.close(
        A,
        vec![position("e5", name, 3), position("e3", "Office 365 E3", 0)],
    );
    rig.ledger.close(
        A,
        vec![holder("ann", &["e5"]), holder("bob", &["e3", "e5"])],
    );
    rig.ledger.close(A, vec![holder("cid", &[])]);
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 1: bob@x", "e5 3: ann@x bob@x"]);
    sim.read(|now| {
        let fields = &now
            .licenses()
            .iter()
            .find(|l| l.seats.len() == 3)
            .unwrap()
            .fields;
        assert_eq!(fields["name"], name);
        assert_eq!(fields["order_number"], format!("{A}:e5"));
        assert_eq!(fields["notes"], "Units in Microsoft 365: 3");
    });
    // Everything anew, by one who knows nothing: what is there is read, and nothing differs.
    rig.restart().await;
    sim.forget_received();
    rig.resync().await;
    rig.sync().await;
    let written: Vec<_> = sim
        .received()
        .into_iter()
        .filter(|r| r.request.method != "GET")
        .collect();
    assert!(written.is_empty(), "{written:#?}");
    assert!(!sim.received().is_empty());
    // Who is gone gives the seat back, and a product that is gone takes its licence along.
    rig.ledger.remove(A, "user", "ann");
    rig.ledger.close(
        A,
        vec![
            holder("bob", &["e5"]),
            ("license_position", "e3".into(), None),
        ],
    );
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 3: bob@x"]);
    assert_eq!(
        sim.read(|now| now.people().len()),
        2,
        "people are never written"
    );
}

#[tokio::test]
async fn a_unit_goes_from_one_to_another_in_whatever_order_they_come() {
    let sim = with(&["ann", "bob"]);
    let mut rig = rig(&sim, |_| ()).await;
    rig.ledger
        .close(A, vec![position("e5", "Microsoft 365 E5", 1)]);
    rig.ledger.close(A, vec![holder("bob", &["e5"])]);
    rig.sync().await;
    rig.ledger
        .close(A, vec![holder("ann", &["e5"]), holder("bob", &[])]);
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
    assert_eq!(
        count(&sim, "update license"),
        0,
        "bob leaves before ann comes"
    );
    // Where they don't come together there is a seat more for the moment.
    reconfigure(&mut rig, "most_records", 1).await;
    rig.ledger.close(
        A,
        vec![holder("abe", &[]), holder("ann", &[]), holder("aaa", &[])],
    );
    rig.ledger
        .close(A, vec![holder("ann", &[]), holder("bob", &["e5"])]);
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: bob@x"]);
    rig.ledger
        .close(A, vec![holder("ann", &["e5"]), holder("bob", &[])]);
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
    assert!(count(&sim, "update license") >= 2);
    assert!(rig.rejects().await.is_empty());
}

#[tokio::test]
async fn who_is_not_there_is_told_and_the_others_go_on() {
    let sim = with(&["ann"]);
    let rig = rig(&sim, |_| ()).await;
    rig.ledger
        .close(A, vec![holder("ann", &["e5"]), holder("bob", &["e5"])]);
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
    let rejects = rig.rejects().await;
    assert_eq!((rejects.len(), rejects[0].key.as_str()), (1, "bob"));
    let reason = &rejects[0].reason;
    assert!(
        reason.contains("`username` is its `userPrincipalName`"),
        "{reason}"
    );
    sim.change(|now| now.add_person("bob@x", "", ""));
    rig.replay().await;
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 2: ann@x bob@x"]);
    assert!(rig.rejects().await.is_empty());
}

#[tokio::test]
async fn two_accounts_of_one_person_hold_a_seat_each() {
    let sim = with(&[]);
    sim.change(|now| now.add_person("ann", "shared@mail", ""));
    let rig = rig(&sim, |s| s.match_by = MatchBy::Email).await;
    rig.ledger.close(
        A,
        vec![holder("u1", &["e5", "e3"]), holder("admin", &["e5"])],
    );
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 1: ann", "e5 2: ann ann"]);
    rig.ledger.close(A, vec![holder("u1", &["e3"])]);
    rig.sync().await;
    assert_eq!(
        sim.read(seats),
        ["e3 1: ann", "e5 1: ann"],
        "the seat without units is left to who needs it"
    );
    rig.ledger.remove(A, "user", "admin");
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 1: ann", "e5 1: "]);
}

#[tokio::test]
async fn errors_with_status_200_are_of_what_was_sent() {
    let sim = with(&["ann"]);
    let rig = rig(&sim, |_| ()).await;
    let inside = r#"{"status":"error","messages":{"name":["Secret E5 isn&#039;t welcome."]},"payload":null}"#;
    let fault = Fault::Answer {
        status: 200,
        content_type: "application/json",
        body: inside.to_owned(),
    };
    sim.inject(Rule::once(fault).method("POST").path("/licenses").after(1));
    rig.ledger.close(
        A,
        vec![
            position("e5", "Secret E5", 2),
            position("e3", "Office 365 E3", 2),
        ],
    );
    rig.sync().await;
    let rejects = rig.rejects().await;
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].reason, "name: … isn't welcome.");
    rig.replay().await;
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 2: ", "e5 2: "]);
    // What is no answer at all is nobody's fault.
    rig.ledger.close(A, vec![holder("ann", &["e5"])]);
    let page = Fault::Answer {
        status: 200,
        content_type: "text/html",
        body: "<html>Sign in</html>".to_owned(),
    };
    sim.inject(Rule::once(page).path("/seats"));
    let problem = told(&rig).await;
    assert!(
        problem.starts_with("LW-6040") && problem.contains("not the JSON"),
        "{problem}"
    );
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 2: ", "e5 2: ann@x"]);
    assert!(rig.rejects().await.is_empty());
}

#[tokio::test]
async fn what_was_interrupted_goes_on_where_it_was() {
    let names: Vec<String> = (0..6).map(|n| format!("u{n}")).collect();
    let people: Vec<_> = names.iter().map(String::as_str).collect();
    let sim = with(&people);
    let mut rig = rig(&sim, |_| ()).await;
    let all = people.iter().map(|id| holder(id, &["e5", "e3"])).collect();
    rig.ledger.close(
        A,
        vec![
            position("e5", "Microsoft 365 E5", 6),
            position("e3", "Office 365 E3", 6),
        ],
    );
    let closing = rig.ledger.close(A, all);
    // It stops in the middle, after the sixth seat was taken and before anybody heard of it.
    sim.inject(
        Rule::always(Fault::HangAfter)
            .method("PATCH")
            .path("/seats")
            .after(5),
    );
    rig.announce(closing).await;
    while count(&sim, "checkout") < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.kill().await;
    sim.heal();
    rig.start().await;
    rig.sync().await;
    let sit = "u0@x u1@x u2@x u3@x u4@x u5@x";
    assert_eq!(
        sim.read(seats),
        [format!("e3 6: {sit}"), format!("e5 6: {sit}")]
    );
    assert_eq!((count(&sim, "checkout"), count(&sim, "checkin")), (12, 0));
    assert_eq!(count(&sim, "create license"), 2);
}

#[tokio::test]
async fn a_minute_that_is_used_up_is_waited_for() {
    let sim = with(&["ann"]);
    let mut rig = rig(&sim, |_| ()).await;
    sim.change(|now| now.set_throttle(4));
    rig.ledger.close(A, vec![holder("ann", &["e5"])]);
    let problem = told(&rig).await;
    assert!(
        problem.starts_with("LW-6041") && problem.contains("429"),
        "{problem}"
    );
    let came = sim.received().len();
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6041"), "{problem}");
    assert_eq!(sim.received().len(), came, "the pause is kept");
    // A minute later, by the system's clock; the exporter that begins anew has no pause to keep.
    sim.clock().advance(Duration::from_secs(61));
    sim.change(|now| now.set_throttle(1_000));
    rig.restart().await;
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
    assert_eq!(
        (count(&sim, "checkout"), count(&sim, "create license")),
        (1, 1)
    );
}

#[tokio::test]
async fn requests_keep_to_the_pace_that_is_configured() {
    let sim = with(&["ann"]);
    // One at once, and the next one in six seconds: after the push's end.
    let rig = rig(&sim, |s| (s.requests_a_minute, s.push_seconds) = (10, 1)).await;
    rig.ledger.close(
        A,
        vec![
            position("e5", "Microsoft 365 E5", 5),
            holder("ann", &["e5"]),
        ],
    );
    let problem = told(&rig).await;
    assert!(
        problem.starts_with("LW-6040") && problem.contains("pace"),
        "{problem}"
    );
    assert_eq!(sim.received().len(), 1);
}

#[tokio::test]
async fn a_licence_grows_and_shrinks_by_ten_thousand_seats_at_most() {
    let sim = with(&[]);
    let rig = rig(&sim, |s| s.most_seats = 11_000).await;
    for (units, total, requests) in [(12_000, 11_000, 2), (500, 500, 2), (0, 1, 1)] {
        sim.forget_received();
        rig.ledger
            .close(A, vec![position("e5", "Microsoft 365 E5", units)]);
        rig.sync().await;
        assert_eq!(sim.read(seats), [format!("e5 {total}: ")]);
        let received = sim.received();
        let seats = received.iter().filter(|r| {
            let body = r.request.json();
            body.is_some_and(|b| b.get("seats").is_some())
        });
        assert_eq!(seats.count(), requests, "{units}");
    }
    assert!(rig.rejects().await.is_empty());
}

#[tokio::test]
async fn credentials_and_categories_that_are_wrong_are_told() {
    let sim = with(&["ann"]);
    let mut rig = rig(&sim, |_| ()).await;
    sim.change(|now| now.set_token("another"));
    rig.ledger.close(A, vec![holder("ann", &["e5"])]);
    let problem = told(&rig).await;
    assert!(
        problem.starts_with("LW-6042") && !problem.contains(TOKEN),
        "{problem}"
    );
    // The file is read for each request: a new token needs no restart.
    std::fs::write(rig.dir.path().join("snipe-token"), "another\n").unwrap();
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
    // In the middle of a push too.
    rig.ledger.close(A, vec![holder("ann", &["e5", "e3"])]);
    sim.inject(Rule::once(Fault::Unauthorized).method("PATCH"));
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6042"), "{problem}");
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e3 1: ann@x", "e5 1: ann@x"]);
    reconfigure(&mut rig, "category_id", 99).await;
    let tested = rig.test().await;
    assert!(
        tested.problem.starts_with("LW-6050") && tested.problem.contains("99"),
        "{tested:?}"
    );
    rig.ledger
        .close(A, vec![position("visio", "Visio Plan 2", 1)]);
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6050"), "{problem}");
    assert!(rig.rejects().await.is_empty(), "no record is at fault");
}

#[tokio::test]
async fn people_who_are_created_come_once_and_go() {
    let sim = with(&[]);
    sim.change(|now| now.add_person("bob@x", "", ""));
    let rig = Rig::new(|dir| vec![SinkConfig::new(creating(&sim, dir))]).await;
    rig.ledger.user(A, "u1", &"x".repeat(2 << 20), &["e5"]);
    rig.ledger.user(A, "u2", "O'Hara & <Son>", &[]);
    rig.ledger.close(A, vec![holder("bob", &["e5"])]);
    for method in ["POST", "PATCH"] {
        sim.inject(Rule::once(Fault::CutAfter).method(method));
    }
    sim.inject(Rule::once(Fault::CutAfter).method("POST").path("/users"));
    for _ in 0..3 {
        let problem = told(&rig).await;
        assert!(problem.starts_with("LW-6040"), "{problem}");
    }
    rig.sync().await;
    let long = format!("a/u1={}", "x".repeat(191));
    assert_eq!(sim.read(users), [long.as_str(), "a/u2=O'Hara & <Son>"]);
    assert_eq!(count(&sim, "create user"), 2);
    assert_eq!(sim.read(seats), ["e5 2: bob@x u1@a.example"]);
    rig.resync().await;
    rig.sync().await;
    assert_eq!(count(&sim, "update user"), 0);
    // Who was there before is not ours to delete.
    rig.ledger.user(A, "u2", "Ann", &[]);
    rig.ledger.remove(A, "user", "u1");
    rig.ledger.remove(A, "user", "bob");
    rig.sync().await;
    assert_eq!(sim.read(users), ["a/u2=Ann"]);
    assert_eq!(sim.read(|now| now.people().len()), 2);
    assert_eq!(sim.read(seats), ["e5 1: "]);
}

#[tokio::test]
async fn seats_that_others_gave_are_theirs() {
    let sim = with(&["ann", "eve"]);
    let rig = rig(&sim, |_| ()).await;
    rig.ledger.close(
        A,
        vec![
            position("e5", "Microsoft 365 E5", 3),
            holder("ann", &["e5"]),
        ],
    );
    rig.sync().await;
    let free = sim.read(|now| {
        let seats = &now.licenses()[0].seats;
        seats.iter().find(|s| s.assigned_to.is_none()).unwrap().id
    });
    let eve = sim.read(|now| {
        now.people()
            .iter()
            .find(|p| p.username == "eve@x")
            .unwrap()
            .id
    });
    assert!(sim.change(|now| now.assign(free, Some(eve))));
    rig.ledger
        .close(A, vec![position("e5", "Microsoft 365 E5", 1)]);
    rig.resync().await;
    rig.sync().await;
    assert_eq!(
        sim.read(seats),
        ["e5 2: ann@x eve@x"],
        "never fewer than are held"
    );
    rig.ledger.remove(A, "user", "ann");
    rig.ledger.remove(A, "license_position", "e5");
    rig.sync().await;
    let rejects = rig.rejects().await;
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert!(
        rejects[0].reason.contains("currently checked out"),
        "{rejects:?}"
    );
    assert_eq!(sim.read(seats).len(), 1);
}

#[tokio::test]
async fn who_does_not_answer_is_told() {
    let sim = with(&["ann"]);
    let rig = rig(&sim, |s| s.push_seconds = 1).await;
    rig.ledger.close(A, vec![holder("ann", &["e5"])]);
    sim.inject(Rule::once(Fault::Hang).method("POST"));
    let problem = told(&rig).await;
    assert!(problem.starts_with("LW-6040"), "{problem}");
    rig.sync().await;
    assert_eq!(sim.read(seats), ["e5 1: ann@x"]);
}
