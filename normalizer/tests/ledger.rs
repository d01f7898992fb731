//! What runs do to the ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::ListRunsRequest;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use runtime::grpc::local;

fn names(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|i| format!("u{i:04}")).collect()
}

#[tokio::test]
async fn loads_changes_and_leaves_alone_what_is_the_same() {
    let mut w = World::new().await;
    let v = w
        .run(Run::full("users", 10, vec![users(0..50), users(50..80)]))
        .await;
    let counts = v.counts.unwrap();
    assert!(v.complete && !v.needs_full && v.closing >= START);
    assert_eq!(
        (counts.fetched, counts.applied, counts.changed, counts.gaps),
        (80, 80, 80, 0)
    );
    let first = w.records().await;
    assert_eq!(first.len(), 81, "80 users and a position");
    assert_eq!(w.position(E5).await.unwrap().assigned, 80);

    let v = w.run(Run::full("users", 20, vec![users(0..80)])).await;
    assert_eq!(
        (v.counts.unwrap().applied, v.counts.unwrap().changed),
        (80, 0)
    );
    assert_eq!(w.records().await, first, "an unchanged run writes nothing");
    let head = w.head().await;
    assert!(head.closing > head.changed && head.complete);

    let page = Page {
        objects: vec![user("U0003", "Ulm"), user("new", "Ulm")],
        ..Page::default()
    };
    let v = w.run(Run::some("users", 30, 20, page)).await;
    assert_eq!(
        (v.counts.unwrap().applied, v.counts.unwrap().changed),
        (2, 2)
    );
    let now = w.records().await;
    assert_eq!(now.len(), 82);
    let changed: Vec<_> = now
        .values()
        .filter(|r| r.closing == v.closing)
        .map(|r| r.key.as_str())
        .collect();
    assert_eq!(changed, [E5, "new", "u0003"]);
    assert_eq!(w.position(E5).await.unwrap().direct, 81);
    w.stop().await;
}

#[tokio::test]
async fn what_the_collector_knows_to_be_missing_makes_nobody_a_suspect() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..50)])).await;
    let short = Run {
        gaps: vec!["LW-3010: fewer objects than are counted.".into()],
        ..Run::full("users", 20, vec![users(30..60)])
    };
    let v = w.run(short).await;
    assert!(!v.complete && v.suspects.is_empty());
    assert_eq!((v.counts.unwrap().applied, v.counts.unwrap().gaps), (30, 1));
    assert_eq!(w.users().await.len(), 60);
    w.stop().await;
}

#[tokio::test]
async fn absence_is_a_suspicion_and_gone_removes() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..50)])).await;
    let v = w.run(Run::full("users", 20, vec![users(3..50)])).await;
    let suspects: Vec<_> = v.suspects.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(suspects, ["u0000", "u0001", "u0002"]);
    assert!(v.complete && v.suspects.iter().all(|s| s.since >= START));
    assert_eq!(w.users().await.len(), 50);

    // One is gone, one is back, and one was answered 404 without being one of those asked for.
    let page = Page {
        objects: users(1..2),
        gone: vec!["U0000".into(), "never-seen".into()],
        missing: vec!["u0009".into()],
        ..Page::default()
    };
    let v = w.run(Run::some("users", 30, 20, page)).await;
    let suspects: Vec<_> = v.suspects.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(suspects, ["u0002", "u0009"]);
    assert_eq!(
        (v.counts.unwrap().removed, v.counts.unwrap().changed),
        (1, 0)
    );
    assert_eq!(w.users().await, names(1..50));
    assert_eq!(w.position(E5).await.unwrap().assigned, 49);

    // It comes back after all.
    let v = w
        .run(Run::some(
            "users",
            40,
            30,
            Page {
                objects: users(0..1),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(v.counts.unwrap().changed, 1);
    assert_eq!(w.users().await, names(0..50));
    let v = w.run(Run::full("users", 50, vec![users(0..50)])).await;
    assert!(v.suspects.is_empty());
    assert_eq!(w.position(E5).await.unwrap().assigned, 50);
    w.stop().await;
}

#[tokio::test]
async fn a_run_without_its_base_needs_a_full_one() {
    let mut w = World::new().await;
    let some = |run, base| {
        Run::some(
            "users",
            run,
            base,
            Page {
                objects: users(0..1),
                ..Page::default()
            },
        )
    };
    let v = w.run(some(20, 10)).await;
    assert!(v.needs_full && !v.complete && v.closing == 0);
    assert!(w.users().await.is_empty());
    w.run(Run::full("users", 30, vec![users(0..2)])).await;
    assert!(!w.run(some(40, 30)).await.needs_full);
    assert!(w.run(some(50, 45)).await.needs_full);
    // The verdict on a seal that comes again is said again.
    let (_, seal) = some(40, 30).messages(w.now());
    w.send(seal).await;
    let again = w.verdict().await;
    assert_eq!((again.run, again.attempt, again.complete), (40, 1, true));
    w.stop().await;
}

#[tokio::test]
async fn an_older_run_is_dropped_and_its_collector_told_how_far_the_ledger_is() {
    let mut w = World::new().await;
    // Two attempts sealed one run; the first that is whole counts.
    let first = Run::full("users", 20, vec![users(0..3)]);
    let (pages, second) = Run {
        attempt: 2,
        ..Run::full("users", 20, vec![users(0..5), users(5..9)])
    }
    .messages(w.now());
    w.send(pages[0].clone()).await;
    w.send(second).await;
    let v = w.run(first).await;
    assert_eq!((v.attempt, v.complete, v.applied), (1, true, 20));
    let v = w.verdict().await;
    assert_eq!(
        (v.attempt, v.complete, v.needs_full, v.closing, v.applied),
        (2, false, false, 0, 20)
    );
    let v = w.run(Run::full("users", 10, vec![users(0..9)])).await;
    assert_eq!(
        (v.run, v.complete, v.needs_full, v.closing, v.applied),
        (10, false, false, 0, 20)
    );
    assert_eq!(w.users().await.len(), 3);
    assert_eq!(w.waiting().await, 0);
    w.stop().await;
}

#[tokio::test]
async fn a_dead_page_is_a_gap_and_a_dead_seal_closes_with_what_is_there() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..5)])).await;
    // The queue gives up a message after its consumer was torn away too often.
    let (pages, seal) = Run::full("users", 20, vec![users(0..3), users(3..5)]).messages(w.now());
    w.bury(pages[1].clone()).await;
    w.send(pages[0].clone()).await;
    w.send(seal).await;
    let v = w.verdict().await;
    assert_eq!(
        (v.complete, v.counts.unwrap().gaps, v.suspects.len()),
        (false, 1, 0)
    );
    let (pages, seal) = Run::full("users", 30, vec![users(0..3), users(3..5)]).messages(w.now());
    w.send(pages[0].clone()).await;
    // A dead seal waits for nothing.
    while w.waiting().await < 1 {
        tokio::task::yield_now().await;
    }
    w.bury(seal).await;
    let v = w.verdict().await;
    assert_eq!((v.run, v.complete, v.counts.unwrap().gaps), (30, false, 1));
    assert_eq!(w.users().await.len(), 5);
    w.stop().await;
}

#[tokio::test]
async fn a_gap_applies_the_rest_and_suspects_nobody() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..20)])).await;
    let mut run = Run::full(
        "users",
        20,
        vec![users(0..5), users(5..9), vec![user("new", "Ulm")]],
    );
    run.pages[1].broken = true;
    let v = w.run(run).await;
    assert!(!v.complete && v.suspects.is_empty());
    assert_eq!(
        (
            v.counts.unwrap().gaps,
            v.counts.unwrap().fetched,
            v.counts.unwrap().changed
        ),
        (1, 6, 1)
    );
    assert_eq!(w.users().await.len(), 21);
    assert!(!w.head().await.complete);
    // Its number is used: what builds on it needs a full run; what builds on the last whole one does not.
    let page = || Page {
        objects: users(0..1),
        ..Page::default()
    };
    assert!(w.run(Run::some("users", 30, 20, page())).await.needs_full);
    assert!(w.run(Run::some("users", 40, 10, page())).await.complete);
    w.stop().await;
}

#[tokio::test]
async fn order_and_repetition_do_not_matter() {
    let mut w = World::new().await;
    let (pages, seal) =
        Run::full("users", 10, vec![users(0..10), users(8..20), users(20..30)]).messages(w.now());
    w.send(seal.clone()).await;
    for page in pages.iter().rev().chain(&pages).skip(1) {
        w.send(page.clone()).await;
    }
    w.send(pages[2].clone()).await;
    let v = w.verdict().await;
    let counts = v.counts.unwrap();
    assert_eq!(
        (counts.fetched, counts.applied, counts.discarded),
        (32, 30, 2)
    );
    assert_eq!(w.users().await, names(0..30));
    assert_eq!(w.position(E5).await.unwrap().assigned, 30);
    // Old news is no news.
    let (old, _) = Run::full("users", 9, vec![users(90..95)]).messages(w.now());
    w.send(old[0].clone()).await;
    let v = w.run(Run::full("users", 20, vec![users(0..30)])).await;
    assert_eq!(v.counts.unwrap().changed, 0);
    assert_eq!(w.waiting().await, 0);
    w.stop().await;
}

#[tokio::test]
async fn of_a_key_on_two_pages_the_later_one_counts() {
    let mut w = World::new().await;
    let double = |a: &str, b: &str| {
        vec![
            vec![user("a", a), user("b", "x")],
            vec![user("b", "y"), user("a", b)],
        ]
    };
    let v = w.run(Run::full("users", 10, double("Bonn", "Ulm"))).await;
    assert_eq!(
        (
            v.counts.unwrap().applied,
            v.counts.unwrap().discarded,
            v.counts.unwrap().changed
        ),
        (2, 2, 2)
    );
    let v = w.run(Run::full("users", 20, double("Köln", "Ulm"))).await;
    assert_eq!(
        (v.counts.unwrap().applied, v.counts.unwrap().discarded),
        (2, 2)
    );
    assert_eq!(w.position(E5).await.unwrap().assigned, 2);
    let body = w.records().await["user/a"].body.clone();
    assert_eq!(
        <proto::inventory::v1::User as prost::Message>::decode(&body[..])
            .unwrap()
            .city
            .as_deref(),
        Some("Ulm")
    );
    w.stop().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_keeps_what_arrived() {
    let mut w = World::new().await;
    let (pages, seal) = Run::full("users", 10, vec![users(0..10), users(10..20)]).messages(w.now());
    w.send(pages[0].clone()).await;
    w.send(seal).await;
    while w.waiting().await < 2 {
        tokio::task::yield_now().await;
    }
    w.restart().await;
    w.send(pages[1].clone()).await;
    assert!(w.verdict().await.complete);
    assert_eq!(w.users().await.len(), 20);
    w.stop().await;
}

#[tokio::test]
async fn only_changes_are_announced() {
    let mut w = World::new().await;
    let mut closings = Vec::new();
    for (run, n) in [(10, 2), (20, 2), (30, 3)] {
        closings.push(
            w.run(Run::full("users", run, vec![users(0..n)]))
                .await
                .closing,
        );
    }
    // The queue keeps their order: had run 20 been announced, it would come second.
    assert_eq!(
        [w.announced().await, w.announced().await],
        [closings[0], closings[2]]
    );
    let head = w.head().await;
    assert_eq!((head.closing, head.changed), (closings[2], closings[2]));
    w.stop().await;
}

#[tokio::test]
async fn what_cant_be_read_is_set_aside_and_counts_as_seen() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..12)])).await;
    let mut page = users(1..12);
    page.push(r#"{"id":"U0000","accountEnabled":7}"#.into());
    let v = w.run(Run::full("users", 20, vec![page])).await;
    assert!(v.complete && v.suspects.is_empty());
    assert_eq!(
        (
            v.counts.unwrap().fetched,
            v.counts.unwrap().applied,
            v.counts.unwrap().set_aside
        ),
        (12, 11, 1)
    );
    assert_eq!(w.users().await.len(), 12);
    w.stop().await;
}

#[tokio::test]
async fn what_is_unfamiliar_is_taken_and_told_with_the_run() {
    let mut w = World::new().await;
    let object = |n: u8| format!(r#"{{"id":"U{n}","newProperty":{n},"userType":"Alien"}}"#);
    let pages = vec![vec![object(1), object(2)], vec![object(3)]];
    let v = w.run(Run::full("users", 10, pages)).await;
    assert_eq!((v.complete, v.counts.unwrap().applied), (true, 3));
    let told: Vec<_> = v
        .unfamiliar
        .iter()
        .map(|u| (u.name.as_str(), u.count))
        .collect();
    assert_eq!(told, [("newProperty", 3), ("userType=Alien", 3)]);
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let runs = admin.list_runs(ListRunsRequest::default()).await.unwrap();
    let run = &runs.into_inner().runs[0];
    let told: Vec<_> = run
        .unfamiliar
        .iter()
        .map(|u| (u.what.as_str(), u.count))
        .collect();
    assert_eq!(told, [("property", 3), ("value", 3)]);
    w.stop().await;
}

#[tokio::test]
async fn small_collections_lose_what_a_late_enough_answer_lacks() {
    let mut w = World::new().await;
    let (a, b) = (
        "aaaaaaaa-0000-0000-0000-000000000000",
        "bbbbbbbb-0000-0000-0000-000000000000",
    );
    let both = || vec![vec![sku(a, 10, 0), sku(b, 5, 0)]];
    w.run(Run::full("subscribedSkus", 10, both())).await;
    w.minutes(5);
    let v = w
        .run(Run::full("subscribedSkus", 20, vec![vec![sku(a, 10, 0)]]))
        .await;
    assert_eq!(v.suspects.len(), 1);
    assert!(
        v.suspects[0].since < START + MINUTE,
        "since it was last seen"
    );
    w.minutes(6);
    let v = w
        .run(Run::full("subscribedSkus", 30, vec![vec![sku(a, 10, 0)]]))
        .await;
    assert_eq!((v.suspects.len(), v.counts.unwrap().removed), (0, 1));
    assert!(w.position(b).await.is_none() && w.position(a).await.is_some());
    // The last one is held: everything would go.
    w.minutes(60);
    let v = w.run(Run::full("subscribedSkus", 40, vec![vec![]])).await;
    assert_eq!(
        (
            v.suspects.len(),
            v.counts.unwrap().held,
            v.counts.unwrap().removed
        ),
        (0, 1, 0)
    );
    assert!(w.position(a).await.is_some());
    w.stop().await;
}

#[tokio::test]
async fn a_removed_tenant_leaves_nothing() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..30)])).await;
    let v = w
        .run(Run {
            tenant_removed: true,
            ..Run::full("users", 20, vec![])
        })
        .await;
    assert_eq!((v.counts.unwrap().removed, v.counts.unwrap().held), (30, 0));
    assert!(
        w.records().await.is_empty(),
        "positions go with their inputs"
    );
    w.stop().await;
}
