#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use runtime::db::{Durability, Options};

use super::*;
use crate::store::MIGRATIONS;

const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const NOW: u64 = 1_800_000_000_000_000;

async fn open(file: &Path) -> Db {
    let options = Options {
        path: file.to_owned(),
        durability: Durability::Normal,
        brake: false,
    };
    let db = Db::open(&options, &MIGRATIONS).await.unwrap();
    let mut write = db.write().await.unwrap();
    query("INSERT INTO sink (name, kind, location) VALUES ('s', 'k', 'l') ON CONFLICT DO NOTHING")
        .execute(&mut write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    db
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[tokio::test]
async fn an_object_keeps_its_number_and_nobody_elses_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exporter.db");
    let clock = Clock::starting_at(NOW);
    let tenant: TenantId = TENANT.parse().unwrap();
    let of = async |db: &Db, class: &str, names: &[&str]| {
        let ids = Identities::new(db.clone(), clock.clone(), "s".into());
        ids.of(tenant, class, &keys(names)).await.unwrap()
    };
    let db = open(&file).await;
    let first = of(&db, "user", &["b", "a", "b"]).await;
    assert_eq!(first.len(), 2);
    assert_ne!(first["a"], first["b"]);
    // Another class, and somebody who comes between two that are known.
    let sku = of(&db, "sku", &["a"]).await;
    let later = of(&db, "user", &["a", "aa", "b"]).await;
    assert_eq!((later["a"], later["b"]), (first["a"], first["b"]));
    assert!(
        !first
            .values()
            .chain(sku.values())
            .any(|id| *id == later["aa"])
    );
    db.close().await;
    // The database is the one before everything: nothing is given again.
    std::fs::remove_file(&file).unwrap();
    clock.advance(Duration::from_secs(60));
    let db = open(&file).await;
    let anew = of(&db, "user", &["c"]).await;
    assert!(later.values().all(|id| *id < anew["c"]));
}

#[tokio::test]
async fn what_nobody_asks_for_is_forgotten_and_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("exporter.db")).await;
    let clock = Clock::starting_at(NOW);
    let ids = Identities::new(db.clone(), clock.clone(), "s".into());
    let tenant: TenantId = TENANT.parse().unwrap();
    let before = ids
        .of(tenant, "user", &keys(&["gone", "here"]))
        .await
        .unwrap();
    clock.advance(Duration::from_secs(100 * 86_400));
    ids.of(tenant, "user", &keys(&["here"])).await.unwrap();
    ids.forget(tenant, Duration::from_secs(90 * 86_400))
        .await
        .unwrap();
    let after = ids
        .of(tenant, "user", &keys(&["gone", "here"]))
        .await
        .unwrap();
    assert_eq!(after["here"], before["here"]);
    assert!(after["gone"] > before["gone"].max(before["here"]));
}
