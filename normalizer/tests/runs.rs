//! What is known of a run: why it is not complete, and what it holds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{RunDetails, ShowRunRequest};
use proto::message::Body;
use runtime::grpc::local;

async fn show(w: &World, run: u64, most_held: u32) -> Vec<RunDetails> {
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let shown = admin.show_run(ShowRunRequest { run, most_held }).await;
    shown.unwrap().into_inner().runs
}

fn reasons(details: &RunDetails) -> Vec<&str> {
    let gaps = &details.manifest.as_ref().unwrap().gaps;
    gaps.iter().map(|g| g.reason.as_str()).collect()
}

fn named(id: &str, name: &str) -> String {
    format!(r#"{{"id":"{id}","displayName":"{name}"}}"#)
}

#[tokio::test]
async fn a_gap_is_told_with_its_page_and_its_reason() {
    let mut w = World::new().await;
    let mut run = Run::full("users", 10, vec![users(0..5), users(5..9), users(9..12)]);
    run.pages[1].broken = true;
    run.gaps = vec!["Graph gave 12 of 13 objects".into()];
    let v = w.run(run).await;
    assert_eq!((v.complete, v.counts.unwrap().gaps), (false, 2));
    let shown = show(&w, 10, 0).await;
    assert_eq!(shown.len(), 1);
    let manifest = shown[0].manifest.as_ref().unwrap();
    assert_eq!(
        (manifest.gaps[0].attempt, manifest.gaps[0].sequence),
        (Some(1), Some(1))
    );
    assert_eq!(
        reasons(&shown[0]),
        ["not zstd", "Graph gave 12 of 13 objects"]
    );
    assert_eq!((manifest.attempt, manifest.pages.len()), (1, 1));
    let run = shown[0].run.as_ref().unwrap();
    assert_eq!((run.pages, run.gaps, run.complete), (3, 2, false));
    assert!(manifest.sealed_at >= START && run.closed_at >= manifest.sealed_at);
    w.stop().await;
}

#[tokio::test]
async fn a_stored_page_that_was_damaged_is_a_gap() {
    let mut w = World::new().await;
    let (pages, seal) = Run::full("users", 10, vec![users(0..5)]).messages(w.now());
    w.send(pages[0].clone()).await;
    while w.waiting().await < 1 {
        tokio::task::yield_now().await;
    }
    w.sql("UPDATE inbox_page SET content = sha256").await;
    w.send(seal).await;
    assert!(!w.verdict().await.complete);
    assert_eq!(reasons(&show(&w, 10, 0).await[0]), ["not zstd"]);
    w.stop().await;
}

#[tokio::test]
async fn a_seal_that_died_says_that_pages_never_came() {
    let mut w = World::new().await;
    let (pages, seal) = Run::full("users", 10, vec![users(0..5), users(5..9)]).messages(w.now());
    w.send(pages[0].clone()).await;
    while w.waiting().await < 1 {
        tokio::task::yield_now().await;
    }
    w.bury(seal).await;
    assert!(!w.verdict().await.complete);
    let shown = show(&w, 10, 0).await;
    assert_eq!(
        reasons(&shown[0]),
        [
            "1 pages: they never came",
            "the seal came as a dead letter: it waited for nothing"
        ]
    );
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_applied_says_why() {
    let mut w = World::new().await;
    w.run(Run::full("users", 30, vec![users(0..5)])).await;
    w.run(Run::some("users", 40, 35, Page::default())).await;
    w.run(Run::full("users", 20, vec![])).await;
    let of = async |run| {
        let shown = show(&w, run, 0).await.remove(0);
        let manifest = shown.manifest.unwrap();
        (manifest.needs_full, manifest.overtaken, manifest.base)
    };
    assert_eq!(of(30).await, (false, false, 0));
    assert_eq!(of(40).await, (true, false, 35));
    assert_eq!(of(20).await, (false, true, 0));
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let request = ShowRunRequest {
        run: 99,
        most_held: 0,
    };
    let missing = admin.show_run(request).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
    w.stop().await;
}

#[tokio::test]
async fn held_removals_are_shown_with_names_and_reasons() {
    let mut w = World::new().await;
    let mut all = users(0..20);
    all.extend((0..12).map(|n| named(&format!("a{n:02}"), &format!("Ann {n}"))));
    w.run(Run::full("users", 10, vec![all])).await;
    let before = w.now();
    let gone = (0..12).map(|n| format!("A{n:02}")).collect();
    let page = Page {
        gone,
        ..Page::default()
    };
    w.run(Run::some("users", 20, 10, page)).await;
    let shown = show(&w, 20, 5).await.remove(0);
    assert_eq!((shown.run.unwrap().held, shown.held.len()), (12, 5));
    let first = &shown.held[0];
    assert_eq!((first.key.as_str(), first.name.as_str()), ("a00", "Ann 0"));
    assert_eq!(first.why, "Graph answered that it is gone");
    assert!(first.since >= before);
    // A newer full reading looks at them anew; the suspicion keeps its age.
    w.run(Run::full("users", 30, vec![users(0..20)])).await;
    assert!(show(&w, 20, 0).await[0].held.is_empty());
    let again = show(&w, 30, 0).await.remove(0);
    assert_eq!(again.held.len(), 12);
    assert_eq!(again.held[0].why, "a whole reading did not contain it");
    assert_eq!(again.held[0].since, first.since);
    w.stop().await;
}

#[tokio::test]
async fn licences_of_twenty_thousand_users_change_without_being_held() {
    let mut w = World::new().await;
    let pages = |licence: &str| {
        let of = |n: usize| {
            format!(r#"{{"id":"u{n:05}","assignedLicenses":[{{"skuId":"{licence}"}}]}}"#)
        };
        (0..20)
            .map(|p| (p * 1_000..(p + 1) * 1_000).map(of).collect())
            .collect::<Vec<Vec<String>>>()
    };
    w.run(Run::full("users", 10, pages("e3"))).await;
    let flipped = Run::full("users", 20, pages("e5"));
    let flipped = Run {
        mode: proto::pages::v1::RunMode::Some,
        base: 10,
        ..flipped
    };
    let v = w.run(flipped).await;
    let counts = v.counts.unwrap();
    assert_eq!(
        (v.complete, counts.changed, counts.held, counts.suspects),
        (true, 20_000, 0, 0)
    );
    let shown = show(&w, 20, 0).await.remove(0);
    assert_eq!(shown.held, []);
    assert_eq!(shown.manifest.unwrap().pages[0].last, 19);
    w.stop().await;
}

#[tokio::test]
async fn the_tries_of_a_run_are_told_apart() {
    let mut w = World::new().await;
    let (first, _) = Run::full("users", 10, vec![users(0..5)]).messages(w.now());
    let second = Run {
        attempt: 2,
        ..Run::full("users", 10, vec![users(5..9)])
    };
    let (again, seal) = second.messages(w.now());
    let Body::Sealed(mut seal) = seal else {
        unreachable!()
    };
    seal.pages.push(proto::pages::v1::PageRange {
        attempt: 1,
        first: 0,
        last: 0,
    });
    for message in first.into_iter().chain(again) {
        w.send(message).await;
    }
    w.send(Body::Sealed(seal)).await;
    assert!(w.verdict().await.complete);
    let manifest = show(&w, 10, 0).await.remove(0).manifest.unwrap();
    let attempts: Vec<u64> = manifest.pages.iter().map(|p| p.attempt).collect();
    assert_eq!((manifest.attempt, attempts), (2, vec![2, 1]));
    w.stop().await;
}
