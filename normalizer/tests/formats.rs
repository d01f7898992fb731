//! A ledger of an older release goes on as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use normalizer::MIGRATIONS;
use proto::kind::RecordKind;
use runtime::db::{Migrations, query};

/// The format before records were in partitions, and before users with plans switched off were counted.
const BEFORE: Migrations = Migrations {
    sqlite: MIGRATIONS.sqlite.split_at(4).0,
    postgres: MIGRATIONS.postgres.split_at(3).0,
    additions: &[],
};

#[tokio::test]
async fn records_stay_and_new_ones_get_new_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let db = open_as(dir.path(), false, &BEFORE).await;
    let mut w = db.write().await.unwrap();
    for sql in [
        "INSERT INTO tenant (id, tenant) VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO record (id, tenant, kind, key, hash, closing, removed, body)
            VALUES (7, 1, 1, 'x', 'h', 5, 0, 'body'), (9, 2, 1, 'y', 'h', 5, 1, '')",
    ] {
        // SQLite's columns of bytes take no text.
        let bytes = sql
            .replace("'h'", "x'01'")
            .replace("'body'", "x'02'")
            .replace("1, '')", "1, x'')");
        let sql = if db.is_shared() {
            sql.to_owned()
        } else {
            bytes
        };
        query(runtime::db::AssertSqlSafe(sql))
            .execute(&mut w)
            .await
            .unwrap();
    }
    w.commit().await.unwrap();
    db.close().await;

    let db = open(dir.path(), false).await;
    let mut w = db.write().await.unwrap();
    let sql = "INSERT INTO record (tenant, kind, key, hash, closing, removed, body)
        SELECT 1, 1, 'z', hash, 6, 0, body FROM record WHERE key = 'x'";
    query(sql).execute(&mut w).await.unwrap();
    let sql = "SELECT id, tenant, key, removed FROM record ORDER BY id";
    let records: Vec<(i64, i64, String, bool)> = query(sql).fetch_all(&mut w).await.unwrap();
    let named = |id, tenant, key: &str, removed| (id, tenant, key.to_owned(), removed);
    let wanted = [
        named(7, 1, "x", false),
        named(9, 2, "y", true),
        named(10, 1, "z", false),
    ];
    assert_eq!(records, wanted);
    w.commit().await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn users_that_were_counted_in_another_way_are_counted_anew() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..20)])).await;
    w.run(Run::full("subscribedSkus", 11, vec![vec![sku(E5, 30, 20)]]))
        .await;
    let before = w.position(E5).await.unwrap();
    assert_eq!((before.assigned, before.with_disabled_plans), (20, 0));

    // As an older release would have left it.
    w.sql("UPDATE tenant SET counted = 0").await;
    w.sql("UPDATE license_count SET assigned = 3, direct = 3")
        .await;
    w.sql("INSERT INTO license_count SELECT id, 'gone', 1, 1, 0, 0, 0, 0, 0, 0, 0, 0 FROM tenant")
        .await;
    let off = user("u0003", "Bonn").replace("\"disabledPlans\":[]", "\"disabledPlans\":[\"p\"]");
    let page = Page {
        objects: vec![off],
        ..Page::default()
    };
    w.run(Run::some("users", 20, 10, page)).await;
    let after = w.position(E5).await.unwrap();
    assert_eq!(
        (after.assigned, after.direct, after.with_disabled_plans),
        (20, 20, 1)
    );
    let positions = w.snapshot(&[RecordKind::LicensePosition.name()]).await;
    assert_eq!(positions.iter().map(|b| b.records.len()).sum::<usize>(), 1);

    // From then on by differences again.
    let page = Page {
        objects: vec![user("u0003", "Ulm")],
        ..Page::default()
    };
    w.run(Run::some("users", 30, 20, page)).await;
    assert_eq!(w.position(E5).await.unwrap().with_disabled_plans, 0);
    w.stop().await;
}
