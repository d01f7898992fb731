//! The sinks that are databases, SQLite here and PostgreSQL in `postgres.rs`: every change exactly once, whatever comes twice, late or never.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use support::{A, B, Rig};

async fn query(rig: &Rig, sql: &'static str) -> Vec<String> {
    rig.rows(sql).await
}

async fn users(rig: &Rig) -> Vec<String> {
    query(
        rig,
        "SELECT substr(tenant_id, 1, 1) || '/' || user_id || '=' || display_name FROM \"user\" ORDER BY tenant_id, user_id",
    )
    .await
}

#[tokio::test]
async fn rows_follow_the_ledger() {
    let mut rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &["e3", "e5"]);
    rig.ledger.user(A, "u2", "Bob", &["e5"]);
    rig.ledger.position(A, "e5", 2);
    let closing = rig.ledger.user(B, "u1", "Bea", &[]);
    let sinks = rig.sync().await;
    assert_eq!(sinks.iter().map(|s| s.written).sum::<u64>(), 4);
    assert_eq!(sinks[1].as_of, closing);
    assert_eq!(users(&rig).await, ["a/u1=Ann", "a/u2=Bob", "b/u1=Bea"]);
    let licences = "SELECT user_id || ' ' || sku_id || ' ' || path || ' ' || CASE WHEN CAST(consumes AS TEXT) IN ('1', 'true') THEN 1 ELSE 0 END FROM license_assignment ORDER BY 1";
    assert_eq!(
        query(&rig, licences).await,
        ["u1 e3 unknown 1", "u1 e5 unknown 1", "u2 e5 unknown 1"]
    );
    assert_eq!(
        query(&rig, "SELECT sku_id || assigned FROM license_position").await,
        ["e52"]
    );
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.ledger.remove(A, "user", "u2");
    rig.restart().await;
    let sinks = rig.sync().await;
    assert_eq!(
        sinks.iter().map(|s| s.written).sum::<u64>(),
        2,
        "only what changed"
    );
    assert_eq!(users(&rig).await, ["a/u1=Anna", "b/u1=Bea"]);
    assert_eq!(
        query(&rig, licences).await,
        ["u1 e5 unknown 1"],
        "the rows of a user are replaced as a set"
    );
    assert_eq!(rig.ledger.calls().snapshot, 0);
}

#[tokio::test]
async fn a_restored_ledger_is_shown_as_it_is() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &["e5"]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let tenant_b = rig.ledger.backup()[B].clone();
    rig.ledger.restore(
        backup
            .into_iter()
            .chain([(B.to_owned(), tenant_b)])
            .collect(),
    );
    rig.ledger.user(A, "u3", "Cid", &[]);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann", "a/u3=Cid", "b/u1=Bea"]);
    assert_eq!(
        query(&rig, "SELECT user_id FROM license_assignment").await,
        ["u1"]
    );
    assert_eq!(rig.ledger.calls().snapshot, 1);
}

#[tokio::test]
async fn an_incomplete_restored_ledger_removes_nothing() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.restore(backup);
    rig.ledger
        .with(|l| l.tenants.get_mut(A).unwrap().complete = false);
    let sinks = rig.wait().await;
    assert!(
        !sinks[0].delivered && sinks[0].problem.is_empty(),
        "{sinks:?}"
    );
    assert_eq!(users(&rig).await, ["a/u1=Ann", "a/u2=Bob"]);
    rig.ledger
        .with(|l| l.tenants.get_mut(A).unwrap().complete = true);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann"]);
}

#[tokio::test]
async fn old_and_repeated_batches_are_ignored() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.sync().await;
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.user(A, "u3", "Cid", &[]);
    // Everything that was ever sent comes again, before the new.
    let sent = rig.ledger.with(|l| {
        l.replay = l.sent.clone();
        l.sent.len()
    });
    assert!(sent >= 2);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Anna", "a/u2=Bob", "a/u3=Cid"]);
}

#[tokio::test]
async fn a_ledger_that_does_not_know_the_mark_is_compared_whole() {
    let mut rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    rig.stop().await;
    // As if a batch had been marked when the power failed, and the ledger been restored since.
    rig.change("UPDATE cursor SET mark = mark + 1").await;
    rig.start().await;
    rig.sync().await;
    assert_eq!(rig.ledger.calls().snapshot, 1);
    assert_eq!(users(&rig).await, ["a/u1=Ann"]);
}

#[tokio::test]
async fn a_torn_snapshot_leaves_no_trace() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.restore(backup);
    rig.ledger.with(|l| l.torn = true);
    assert!(rig.wait().await[0].problem.starts_with("LW-6002"));
    assert_eq!(users(&rig).await, ["a/u1=Ann", "a/u2=Bob"]);
    rig.ledger.with(|l| l.torn = false);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann"]);
}

#[tokio::test]
async fn a_ledger_that_went_back_to_a_head_seen_before_is_noticed() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let backup = rig.ledger.backup();
    // What the sink gets is newer than the head that made it look.
    rig.ledger.with(|l| l.before_follow = Some("Nia"));
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann", "a/u9=Nia"]);
    rig.ledger.restore(backup);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann"]);
}

#[tokio::test]
async fn a_stream_that_lacks_what_the_head_has_is_no_delivery() {
    let rig = Rig::rows_sink().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.with(|l| l.mute = true);
    let sinks = rig.wait().await;
    assert!(
        !sinks[0].delivered && sinks[0].problem.starts_with("LW-6002"),
        "{sinks:?}"
    );
    rig.ledger.with(|l| l.mute = false);
    rig.sync().await;
    assert_eq!(users(&rig).await, ["a/u1=Ann"]);
}
