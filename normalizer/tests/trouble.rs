//! A run that can't be applied holds up no other, and isn't tried for ever.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;

/// Writing a product fails, for a reason that is none of the machine.
const BREAK: &str = "CREATE TRIGGER broken BEFORE INSERT ON record WHEN new.kind =
    (SELECT 2) BEGIN SELECT RAISE(ABORT, 'broken'); END";
const MEND: &str = "DROP TRIGGER broken";

/// A world that can't write products, and to which a run of them was sent.
async fn broken() -> World {
    let w = World::paused().await;
    assert_eq!(proto::kind::RecordKind::SubscribedSku as i32, 2);
    w.sql(BREAK).await;
    send(&w, 10).await;
    w
}

async fn send(w: &World, run: u64) {
    let run = Run::full("subscribedSkus", run, vec![vec![sku(E5, 5, 0)]]);
    let (pages, seal) = run.messages(w.now());
    w.send(pages[0].clone()).await;
    w.send(seal).await;
}

#[tokio::test(start_paused = true)]
async fn others_go_on_and_it_is_tried_again() {
    let mut w = broken().await;
    while w.status().await.failures == 0 {
        tokio::task::yield_now().await;
    }
    let v = w.run(Run::full("users", 10, vec![users(0..5)])).await;
    assert!(v.complete && v.dataset == "users");
    let status = w.status().await;
    assert!(
        status.problem.starts_with("LW-5001: ") && status.problem.contains("What to do: "),
        "{}",
        status.problem
    );
    w.sql(MEND).await;
    let v = w.verdict().await;
    assert!(v.complete && v.dataset == "subscribedSkus");
    let status = w.status().await;
    assert_eq!((status.problem.as_str(), status.failures), ("", 0));
    w.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_and_again_is_read_again() {
    let mut w = broken().await;
    let v = w.verdict().await;
    assert!(!v.complete && !v.needs_full);
    assert_eq!((v.run, v.attempt, v.applied), (10, 1, 10));
    assert_eq!((v.counts.unwrap().gaps, v.counts.unwrap().applied), (1, 0));
    assert_eq!((w.waiting().await, w.status().await.failures), (0, 0));
    assert!(!w.head().await.complete);
    w.sql(MEND).await;
    send(&w, 20).await;
    assert!(w.verdict().await.complete);
    assert_eq!(
        w.records().await.len(),
        3,
        "the product, its position and its units that nobody holds"
    );
    w.stop().await;
}

#[tokio::test(start_paused = true)]
async fn not_even_closing_it_hangs() {
    let mut w = broken().await;
    w.sql("CREATE TRIGGER mute BEFORE INSERT ON closing WHEN new.run = 10 BEGIN SELECT RAISE(ABORT, 'mute'); END")
        .await;
    while w.waiting().await > 0 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    w.sql(MEND).await;
    send(&w, 20).await;
    let v = w.verdict().await;
    assert!(v.complete && v.run == 20);
    w.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_seal_that_cant_be_read_is_answered_with_what_is_known_of_it() {
    let mut w = World::paused().await;
    w.run(Run::full("users", 10, vec![users(0..5)])).await;
    w.sql("INSERT INTO inbox_seal (tenant, dataset, run, attempt, dead, seal) VALUES (1, 'users', 20, 3, 0, x'ff')")
        .await;
    w.run(Run::full("subscribedSkus", 10, vec![vec![]])).await;
    let (pages, seal) = Run::full("users", 30, vec![users(0..5)]).messages(w.now());
    w.send(pages[0].clone()).await;
    w.send(seal).await;
    let v = w.verdict().await;
    assert_eq!((v.run, v.attempt, v.complete), (20, 3, false));
    let v = w.verdict().await;
    assert_eq!((v.run, v.complete), (30, true));
    assert_eq!(w.users().await.len(), 5);
    w.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_a_newer_release_has_written_is_not_touched() {
    let mut w = World::paused().await;
    w.sql(
        "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, execution_time
        FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    w.stop().await;
    let options = runtime::db::Options {
        path: w.dir.path().join("ledger.db"),
        durability: runtime::db::Durability::Normal,
        brake: true,
    };
    let newer = runtime::db::Db::open(&options, &normalizer::MIGRATIONS).await;
    assert_eq!(newer.err().unwrap().code, "LW-4002");
}
