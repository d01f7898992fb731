//! What is past its time goes, and nothing that is still needed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::ShowRunRequest;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use runtime::db::query;
use runtime::grpc::local;

const DAY: u64 = 24 * 60;

async fn number(w: &World, sql: &'static str) -> i64 {
    let mut read = w.db.read().await.unwrap();
    query(sql).fetch_one(&mut read).await.unwrap()
}

/// Starts the process again, with every tenant due to be looked at, and waits for that.
async fn swept(w: &mut World) {
    w.sql("UPDATE tenant SET swept_at = 1").await;
    w.restart().await;
    while number(w, "SELECT min(swept_at) FROM tenant").await == 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// As a collector numbers it.
fn full(w: &World, objects: Vec<String>) -> Run {
    Run::full("users", w.now(), vec![objects])
}

fn some(w: &World, base: u64, page: Page) -> Run {
    Run::some("users", w.now(), base, page)
}

fn gone(ids: &[&str]) -> Page {
    Page {
        gone: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Page::default()
    }
}

#[tokio::test]
async fn what_is_old_goes_and_sinks_below_it_get_a_snapshot() {
    let mut w = World::new().await;
    let first = w.run(full(&w, users(0..30))).await;
    let mut behind = Sink::default();
    w.follow(&mut behind, 100).await;
    w.minutes(1);
    let mut page = gone(&["u0003"]);
    page.objects.push(r#"{"id":"u0004","city":7}"#.into());
    let v = w.run(some(&w, first.run, page)).await;
    assert_eq!(
        (v.counts.unwrap().removed, v.counts.unwrap().set_aside),
        (1, 1)
    );
    // A page and a seal that wait for ever.
    let (pages, _) = Run::full("subscribedSkus", w.now(), vec![vec![]]).messages(w.now());
    w.send(pages[0].clone()).await;
    let (_, seal) = Run::full("organization", w.now(), vec![vec![]]).messages(w.now());
    w.send(seal).await;
    while w.waiting().await < 2 {
        tokio::task::yield_now().await;
    }
    w.minutes(1);
    let page = Page {
        objects: vec![user("u0006", "Ulm")],
        ..Page::default()
    };
    let v = w.run(some(&w, v.run, page)).await;
    let mut caught_up = Sink::default();
    w.follow(&mut caught_up, 100).await;
    swept(&mut w).await;

    // A day later nothing is old.
    w.minutes(2 * DAY);
    swept(&mut w).await;
    let removed = "SELECT count(*) FROM record WHERE removed = 1";
    assert_eq!(number(&w, removed).await, 1);
    assert_eq!(w.waiting().await, 2);
    assert_eq!(number(&w, "SELECT count(*) FROM set_aside").await, 1);
    assert_eq!(number(&w, "SELECT count(*) FROM closing").await, 3);
    assert!(
        !w.follow(
            &mut Sink {
                cursor: behind.cursor.clone(),
                ..Sink::default()
            },
            100
        )
        .await
    );

    // After a quarter something changes, and then all of it is.
    w.minutes(100 * DAY);
    let page = Page {
        objects: vec![user("u0005", "Ulm")],
        ..Page::default()
    };
    let newest = w.run(some(&w, v.run, page)).await;
    // A tenant that is new, or whose ledger is of an earlier release, is looked at a day later.
    w.sql("UPDATE tenant SET swept_at = 0").await;
    w.restart().await;
    while number(&w, "SELECT min(swept_at) FROM tenant").await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(number(&w, removed).await, 1);
    swept(&mut w).await;
    assert_eq!(number(&w, removed).await, 0);
    assert_eq!(w.waiting().await, 0);
    assert_eq!(number(&w, "SELECT count(*) FROM set_aside").await, 0);
    assert_eq!(number(&w, "SELECT count(*) FROM closing").await, 2);
    assert_eq!(w.head().await.closing, newest.closing);
    // The page of the first run is still named by most users, that of the removal by nobody.
    let named = "SELECT count(*) FROM page_source p WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.source = p.id)";
    assert_eq!(number(&w, named).await, 0);
    assert_eq!(number(&w, "SELECT count(*) FROM page_source").await, 3);

    assert!(w.follow(&mut behind, 100).await, "it may lack a removal");
    assert!(!w.follow(&mut caught_up, 100).await, "it had everything");
    assert_eq!(caught_up.records, w.records().await);
    let mut new = Sink::default();
    assert!(!w.follow(&mut new, 7).await, "a new one lacks nothing");
    assert_eq!(new.records, w.records().await);
    assert_eq!(new.records.len(), 29 + 1, "and the position");
    w.stop().await;
}

#[tokio::test]
async fn a_sink_that_has_everything_is_never_sent_back() {
    let mut w = World::new().await;
    let first = w.run(full(&w, users(0..30))).await;
    w.minutes(1);
    let v = w.run(some(&w, first.run, gone(&["u0003"]))).await;
    // Nothing changes any more, and a run sees that each month.
    let mut sink = Sink::default();
    let mut base = v.run;
    for month in 0..8 {
        w.minutes(30 * DAY);
        let page = Page {
            objects: users(5..6),
            ..Page::default()
        };
        base = w.run(some(&w, base, page)).await.run;
        if month == 1 {
            w.follow(&mut sink, 100).await;
        }
        swept(&mut w).await;
    }
    assert!(!w.follow(&mut sink, 100).await);
    assert_eq!(sink.records, w.records().await);
    assert_eq!(sink.cursor.closing, w.head().await.changed);
    w.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_decision_stays_and_what_nobody_reads_goes() {
    let mut w = World::new().await;
    let first = w.run(full(&w, users(0..50))).await;
    w.minutes(1);
    let held = w.run(full(&w, users(12..50))).await;
    assert_eq!(held.counts.unwrap().held, 12);
    w.minutes(1);
    let page = Page {
        missing: vec!["u0030".into()],
        ..Page::default()
    };
    let v = w.run(some(&w, held.run, page)).await;
    assert_eq!(v.counts.unwrap().suspects, 13);
    w.run(Run::full(
        "subscribedSkus",
        w.now(),
        vec![vec![sku(E5, 9, 9)]],
    ))
    .await;
    swept(&mut w).await;
    w.minutes(200 * DAY);
    // Other datasets are still read.
    w.run(Run::full(
        "subscribedSkus",
        w.now(),
        vec![vec![sku(E5, 10, 9)]],
    ))
    .await;
    swept(&mut w).await;
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let show = |run| ShowRunRequest { run, most_held: 0 };
    let shown = admin.show_run(show(held.run)).await.unwrap().into_inner();
    assert_eq!(shown.runs[0].held.len(), 12);
    assert!(admin.show_run(show(first.run)).await.is_err());
    let open = "SELECT count(*) FROM suspect WHERE state = 0";
    assert_eq!(number(&w, open).await, 0);
    assert_eq!(w.users().await.len(), 50);
    w.stop().await;
}

#[tokio::test]
async fn many_rows_go_in_several_small_transactions() {
    let mut w = World::new().await;
    let malformed = |n: usize| format!(r#"{{"id":"m{n}","city":7}}"#);
    let pages = (0..3)
        .map(|p| (p * 900..(p + 1) * 900).map(malformed).collect())
        .collect();
    w.run(Run::full("users", w.now(), pages)).await;
    assert_eq!(number(&w, "SELECT count(*) FROM set_aside").await, 2_700);
    swept(&mut w).await;
    w.minutes(31 * DAY);
    swept(&mut w).await;
    assert_eq!(number(&w, "SELECT count(*) FROM set_aside").await, 0);
    w.stop().await;
}

#[tokio::test]
async fn former_states_go_after_their_time_and_their_pages_with_them() {
    let mut w = World::new().await;
    let mut base = w.run(full(&w, users(0..30))).await.run;
    let moved = |id: &str, city: &str| Page {
        objects: vec![user(id, city)],
        ..Page::default()
    };
    w.minutes(1);
    base = w.run(some(&w, base, moved("u0003", "Ulm"))).await.run;
    w.minutes(50 * DAY);
    base = w.run(some(&w, base, moved("u0003", "Essen"))).await.run;
    swept(&mut w).await;
    let history = "SELECT count(*) FROM record_history";
    let from = "SELECT history_from FROM tenant";
    assert_eq!((number(&w, history).await, number(&w, from).await), (2, 0));
    // The page that said Ulm: no record comes from it any more, but a former state.
    let pages = "SELECT count(*) FROM page_source";
    w.minutes(45 * DAY);
    w.run(some(&w, base, moved("u0004", "Ulm"))).await;
    swept(&mut w).await;
    assert_eq!(number(&w, history).await, 2, "one of u0003, one of u0004");
    let horizon = number(&w, from).await;
    assert!(horizon > i64::try_from(START).unwrap());
    assert_eq!(number(&w, pages).await, 4);
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let request = proto::admin::v1::HistoryRequest {
        kind: "user".into(),
        key: "u0003".into(),
        ..Default::default()
    };
    let told = admin.history(request).await.unwrap().into_inner();
    let record = &told.records[0];
    assert_eq!(record.changes.len(), 1);
    assert_eq!(record.known_from, u64::try_from(horizon).unwrap());
    w.minutes(95 * DAY);
    swept(&mut w).await;
    assert_eq!(number(&w, history).await, 0);
    assert_eq!(number(&w, pages).await, 3, "that of Ulm has gone");
    w.stop().await;
}
