//! Several processes on one ledger.

use std::path::Path;
use std::sync::Arc;

use bus::{Bus, Keys, Topology, memory::Memory};
use proto::pages::v1::RunMode;
use runtime::Clock;
use runtime::db::{self, Db, Durability};

use super::*;
use crate::{Config, Deps, MIGRATIONS};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn of(db: Db) -> Normalizer {
    let topology = Topology::of_pools(["p".parse().unwrap()]);
    let deps = Deps {
        bus: Bus::new(Arc::new(Memory::new(topology)), Keys::generate()),
        db,
        clock: Clock::starting_at(1_800_000_000_000_000),
        at_rest: None,
    };
    Normalizer::new(Config::default(), deps).unwrap()
}

async fn alone(dir: &Path) -> Normalizer {
    let options = db::Options {
        path: dir.join("ledger.db"),
        durability: Durability::Normal,
        brake: false,
    };
    of(Db::open(&options, &MIGRATIONS).await.unwrap())
}

async fn two(server: &servers::Postgres, dir: &Path) -> [Normalizer; 2] {
    let password_file = dir.join("password");
    std::fs::write(&password_file, server.password()).unwrap();
    server.create_database("ledger").unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/ledger", server.port());
    let config = db::Config {
        password_file: Some(password_file),
        ..db::Config::new(url)
    };
    Db::migrate(&config, &MIGRATIONS, "normalizer")
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let connect = async || {
        let db = Db::connect(&config, &MIGRATIONS, "normalizer", &stop).await;
        of(db.unwrap())
    };
    [connect().await, connect().await]
}

async fn change(n: &Normalizer, q: db::Query<'_>) {
    let mut w = n.0.db.write().await.unwrap();
    q.execute(&mut w).await.unwrap();
    w.commit().await.unwrap();
}

async fn number(n: &Normalizer, sql: &'static str) -> i64 {
    let mut r = n.0.db.read().await.unwrap();
    query(sql).fetch_one(&mut r).await.unwrap()
}

/// A full run without objects, sealed.
async fn sealed(n: &Normalizer, run: u64) -> Of {
    let seal = RunSealed {
        tenant_id: TENANT.into(),
        dataset: "users".into(),
        run,
        attempt: 1,
        mode: RunMode::Full.into(),
        pool: "p".into(),
        sealed_at: 1_800_000_000_000_000,
        ..RunSealed::default()
    };
    let tenant = "INSERT INTO tenant (id, tenant) VALUES (1, ?) ON CONFLICT DO NOTHING";
    change(n, query(tenant).bind(TENANT)).await;
    let sql = "INSERT INTO inbox_seal (tenant, dataset, run, attempt, dead, seal) VALUES (1, 'users', ?, 1, 0, ?)";
    change(n, query(sql).bind(run).bind(seal.encode_to_vec())).await;
    (1, "users".into())
}

/// What another process, or an earlier look, has closed meanwhile gets no second verdict.
async fn closes_once(first: &Normalizer, second: &Normalizer) {
    let of = sealed(first, 10).await;
    let seen = second.whole(of.0, &of.1).await.unwrap().unwrap();
    assert!(first.apply_next(&of, None).await.unwrap());
    second.close(&of.1, &seen).await.unwrap();
    let closings = "SELECT count(*) FROM closing";
    assert_eq!(number(first, closings).await, 1);

    // A seal that came again while its run was being closed is answered with the verdict that there is.
    change(first, query("UPDATE closing SET verdict_published = 1")).await;
    sealed(second, 10).await;
    assert!(second.apply_next(&of, None).await.unwrap());
    assert!(!second.apply_next(&of, None).await.unwrap());
    assert_eq!(number(first, closings).await, 1);
    let again = "SELECT count(*) FROM closing WHERE asked = 1 AND verdict_published = 0";
    assert_eq!(number(first, again).await, 1);
    assert_eq!(number(first, "SELECT count(*) FROM inbox_seal").await, 0);
}

#[tokio::test]
async fn a_run_is_closed_once_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let n = alone(dir.path()).await;
    closes_once(&n, &n).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_closed_once_by_whichever_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let [first, second] = two(&server, dir.path()).await;
    closes_once(&first, &second).await;
    // Both at once.
    for run in 20..60 {
        let of = sealed(&first, run).await;
        let both = tokio::join!(first.apply_next(&of, None), second.apply_next(&of, None));
        both.0.unwrap();
        both.1.unwrap();
    }
    let twice =
        "SELECT count(*) FROM (SELECT run FROM closing GROUP BY run HAVING count(*) > 1) AS twice";
    assert_eq!(number(&first, twice).await, 0);
    assert_eq!(number(&first, "SELECT count(*) FROM closing").await, 41);
    let applied = "SELECT applied FROM dataset_state WHERE dataset = 'users'";
    assert_eq!(number(&first, applied).await, 59);

    // What a process that ended has left behind.
    sealed(&second, 100).await;
    first.find_waiting().await.unwrap();
    let stop = CancellationToken::new();
    first.apply_arrived(&stop).await.unwrap();
    assert_eq!(number(&first, applied).await, 100);
    // Each publishes its own, and others' only when they seem to have ended.
    change(
        &first,
        query("UPDATE closing SET verdict_published = 1, announced = 1"),
    )
    .await;
    change(
        &first,
        query("UPDATE closing SET verdict_published = 0 WHERE run = 100"),
    )
    .await;
    assert_eq!(second.publish_some(false).await.unwrap(), 0);
    assert_eq!(second.publish_some(true).await.unwrap(), 0);
    second.0.clock.advance(Duration::from_secs(21));
    assert_eq!(second.publish_some(false).await.unwrap(), 0);
    assert_eq!(second.publish_some(true).await.unwrap(), 1);
    assert_eq!(
        first.publish_some(false).await.unwrap(),
        0,
        "it was done for it"
    );
}
