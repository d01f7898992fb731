//! Leases and fences, on both databases.

use std::sync::Arc;

use runtime::CancellationToken;
use runtime::db::{Config, Durability, Options};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;

const LASTS: Duration = Duration::from_secs(30);

fn tenant(n: u32) -> TenantId {
    format!("00000000-0000-0000-0000-{n:012}").parse().unwrap()
}

fn users() -> Dataset {
    "users".parse().unwrap()
}

fn rules() -> Rules {
    let users = catalog::find("users").unwrap();
    crate::Config::default().rules(users)
}

async fn sqlite(dir: &std::path::Path) -> Db {
    let options = Options {
        path: dir.join("collector.db"),
        durability: Durability::Normal,
        brake: false,
    };
    Db::open(&options, &MIGRATIONS).await.unwrap()
}

/// As many processes as are asked for, on one database.
async fn postgres(server: &servers::Postgres, dir: &std::path::Path, processes: usize) -> Vec<Db> {
    let password_file = dir.join("password");
    std::fs::write(&password_file, server.password()).unwrap();
    server.create_database("collector").unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/collector", server.port());
    let config = Config {
        password_file: Some(password_file),
        ..Config::new(url)
    };
    Db::migrate(&config, &MIGRATIONS, "collector")
        .await
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..processes {
        let stop = CancellationToken::new();
        let db = Db::connect(&config, &MIGRATIONS, "collector", &stop).await;
        all.push(db.unwrap());
    }
    all
}

/// A moment that is now for either database.
fn now() -> Timestamp {
    Timestamp(runtime::Clock::system().micros())
}

/// Two processes, which may be one where the database has one user.
async fn behaves(first: Store, second: Store) {
    let (t, dataset, rules) = (tenant(1), users(), rules());
    first.ensure(t, &dataset, now()).await.unwrap();
    second.ensure(t, &dataset, now()).await.unwrap();
    assert_eq!(first.known().await.unwrap().len(), 1);

    let lease = first.lease(t, "a", now(), LASTS).await.unwrap().unwrap();
    let one = lease.attempt;
    assert!(!lease.taken_over);
    assert_eq!(lease.budgets, "{}");
    assert_eq!(second.lease(t, "b", now(), LASTS).await.unwrap(), None);
    let again = first.lease(t, "a", now(), LASTS).await.unwrap().unwrap();
    assert_eq!(again.last, one);
    let again = again.attempt;
    assert!(again > one, "each lease is a new attempt");
    let renew = async |attempt| first.renew(t, attempt, now(), LASTS, "[2]").await.unwrap();
    assert_eq!(renew(one).await, Renewed::Lost);
    assert_eq!(renew(again).await, Renewed::Held);

    // The fence: the older attempt may write no more.
    let forced = |row: &mut Row| row.schedule.forced = true;
    let old = first.update(t, &dataset, Some(one), &rules, now(), forced);
    assert!(matches!(old.await, Err(Error::Fenced)));
    let new = first.update(t, &dataset, Some(again), &rules, now(), forced);
    assert!(new.await.unwrap().1.schedule.forced);
    assert!(second.of(t).await.unwrap()[0].schedule.forced);

    // A release lets the other one in; the holder's second release harms nobody.
    first.release(t, again, "[3]").await.unwrap();
    let lease = second.lease(t, "b", now(), LASTS).await.unwrap().unwrap();
    let theirs = lease.attempt;
    assert!(!lease.taken_over, "it was given back");
    assert_eq!(lease.budgets, "[3]", "what is known goes with the tenant");
    assert!(theirs > again);
    first.release(t, again, "[4]").await.unwrap();
    let renewed = second.renew(t, theirs, now(), LASTS, "{}").await.unwrap();
    assert_eq!(renewed, Renewed::Held);

    // A lease that has run out is taken over.
    let over = Timestamp(1);
    let renewed = second.renew(t, theirs, over, Duration::ZERO, "{}").await;
    renewed.unwrap();
    let lease = first.lease(t, "a", now(), LASTS).await.unwrap().unwrap();
    assert!(lease.taken_over);

    // Nothing of a paused tenant is due, for whoever holds it and whoever doesn't.
    first.pause(t, now(), "somebody", "why").await.unwrap();
    second.pause(t, now(), "another", "too late").await.unwrap();
    let paused = second.pauses().await.unwrap();
    assert_eq!((paused.len(), paused[0].who.as_str()), (1, "somebody"));
    assert!(first.due("a", now(), None).await.unwrap().is_empty());
    assert!(first.wakes(t).await.unwrap().is_empty());
    let renewed = first.renew(t, lease.attempt, now(), LASTS, "{}").await;
    assert_eq!(renewed.unwrap(), Renewed::Paused);
    assert!(second.resume(t).await.unwrap());
    assert!(!second.resume(t).await.unwrap());
    assert_eq!(first.due("a", now(), None).await.unwrap().len(), 1);

    // What is due comes in portions, each once.
    for n in 2..150 {
        first.ensure(tenant(n), &dataset, now()).await.unwrap();
    }
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let due = second.due("a", now(), last.as_ref()).await.unwrap();
        let end = due.len() < DUE;
        found.extend(due.iter().map(|d| d.tenant.clone()));
        last = due.into_iter().last();
        if end {
            break;
        }
    }
    let all: BTreeSet<_> = found.iter().collect();
    assert_eq!((found.len(), all.len()), (149, 149));
    let wakes = first.wakes(tenant(9)).await.unwrap();
    assert!(wakes["users"] <= now());
    let latest = first.latest("a", now()).await.unwrap();
    assert!(latest.is_some_and(|at| at <= now()));
    let next = first.next_wake(Timestamp(0)).await.unwrap();
    assert!(next.is_none_or(|at| at <= now()));
}

/// Everybody at once: one gets it.
async fn races(stores: &[Store]) {
    for round in 0..10 {
        let barrier = Arc::new(Barrier::new(8));
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let (store, barrier) = (stores[n % stores.len()].clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                barrier.wait().await;
                let holder = format!("holder {n}");
                store
                    .lease(tenant(1_000 + round), &holder, now(), LASTS)
                    .await
            });
        }
        let all = tasks.join_all().await;
        let won: Vec<_> = all.into_iter().filter_map(|l| l.unwrap()).collect();
        assert_eq!(won.len(), 1, "{won:?}");
    }
}

#[tokio::test]
async fn leases_and_fences_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(sqlite(dir.path()).await, true);
    behaves(store.clone(), store.clone()).await;
    races(&[store]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_fences_on_postgres() {
    let dir = tempfile::tempdir().unwrap();
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let databases = postgres(&server, dir.path(), 2).await;
    let stores: Vec<Store> = databases
        .iter()
        .map(|d| Store::new(d.clone(), true))
        .collect();
    behaves(stores[0].clone(), stores[1].clone()).await;
    races(&stores).await;

    // Those that others work for are left out, and a process whose clock is wrong gets nothing more by it.
    let due = async |holder: &str| stores[0].due(holder, now(), None).await.unwrap();
    let t = tenant(1).to_string();
    assert!(due("a").await.iter().any(|d| d.tenant == t));
    assert!(!due("b").await.iter().any(|d| d.tenant == t));
    let future = Timestamp(now().0 + 3_600_000_000);
    let early = stores[1].lease(tenant(1), "b", future, LASTS).await;
    assert_eq!(early.unwrap(), None);

    // A take-over does not slip between the check of the fence and the commit.
    let t = tenant(2);
    let attempt = stores[0].lease(t, "a", now(), Duration::ZERO).await;
    let attempt = attempt.unwrap().unwrap();
    let mut w = databases[0].write().await.unwrap();
    let held: i64 = query("SELECT attempt FROM lease WHERE tenant = ? FOR SHARE")
        .bind(t.to_string())
        .fetch_one(&mut w)
        .await
        .unwrap();
    assert_eq!(held, attempt.attempt.to_db());
    let taker = stores[1].clone();
    let mut task = JoinSet::new();
    task.spawn(async move { taker.lease(t, "b", now(), LASTS).await });
    let mut r = databases[0].read().await.unwrap();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while query(waits).fetch_one::<i64>(&mut r).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    w.commit().await.unwrap();
    let taken = task.join_next().await.unwrap().unwrap();
    assert!(
        taken
            .unwrap()
            .is_some_and(|theirs| theirs.attempt > attempt.attempt)
    );
}
