use std::path::Path;
use std::time::Duration;

use super::*;

const MIGRATIONS: Migrations = Migrations {
    sqlite: &[(1, "CREATE TABLE t (n INTEGER NOT NULL)")],
    postgres: &[(1, "CREATE TABLE t (n BIGINT NOT NULL)")],
    additions: &[],
};

async fn open(dir: &Path, brake: bool) -> Db {
    let options = Options {
        path: dir.join("t.db"),
        durability: Durability::Full,
        brake,
    };
    Db::open(&options, &MIGRATIONS).await.unwrap()
}

async fn count(db: &Db) -> i64 {
    query("SELECT count(*) FROM t")
        .fetch_one(&mut db.read().await.unwrap())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn works_under_a_paused_clock_with_the_brake() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), true).await;
    let start = tokio::time::Instant::now();
    for n in 0..50_i64 {
        let mut w = db.write().await.unwrap();
        query("INSERT INTO t VALUES (?)")
            .bind(n)
            .execute(&mut w)
            .await
            .unwrap();
        w.commit().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(count(&db).await, 50);
    assert_eq!(start.elapsed(), Duration::from_secs(3_000));
}

#[tokio::test]
async fn a_full_database_refuses_and_goes_on_when_there_is_space_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), false).await;
    let pages = async |n: u32| {
        let w = db.write().await.unwrap();
        let sql = AssertSqlSafe(format!("PRAGMA max_page_count = {n}"));
        let mut w = w;
        script(sql, &mut w).await.unwrap();
        w.commit().await.unwrap();
    };
    let insert = async |rows: u32| -> Result<(), Error> {
        let mut w = db.write().await?;
        query("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < ?) INSERT INTO t SELECT n FROM r")
            .bind(rows)
            .execute(&mut w)
            .await?;
        w.commit().await
    };
    pages(20).await;
    assert!(full_disk(&insert(100_000).await.unwrap_err()));
    assert_eq!(count(&db).await, 0);
    // The limit went with the connection that failed.
    insert(10).await.unwrap();
    assert_eq!(count(&db).await, 10);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_no_trace_and_a_second_start_finds_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), false).await;
    let mut w = db.write().await.unwrap();
    query("INSERT INTO t VALUES (1)")
        .execute(&mut w)
        .await
        .unwrap();
    drop(w);
    assert_eq!(count(&db).await, 0);
    let mut w = db.write().await.unwrap();
    query("INSERT INTO t VALUES (1)")
        .execute(&mut w)
        .await
        .unwrap();
    w.commit().await.unwrap();
    db.close().await;
    assert_eq!(count(&open(dir.path(), false).await).await, 1);
}

#[tokio::test]
async fn after_a_scrub_no_file_holds_what_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), false).await;
    for statement in [
        "CREATE TABLE u (text TEXT)",
        "INSERT INTO u VALUES ('a canary to look for')",
        "DELETE FROM u",
        "INSERT INTO t VALUES (7)",
    ] {
        let mut w = db.write().await.unwrap();
        query(statement).execute(&mut w).await.unwrap();
        w.commit().await.unwrap();
    }
    let found = || {
        let files = std::fs::read_dir(dir.path()).unwrap();
        let canary = b"a canary to look for";
        files
            .map(|f| std::fs::read(f.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(canary.len()).any(|w| w == canary))
    };
    assert!(found(), "the log keeps it");
    db.scrub().await.unwrap();
    assert!(!found());
    assert_eq!(count(&db).await, 1);
}
