//! What a collector has published, given to normalizers once more.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::memory::Memory;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology};
use normalizer::{Config, Deps, MIGRATIONS, Normalizer};
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, RunSealed};
use runtime::db::{Db, Durability, Options, query};
use runtime::{CancellationToken, Clock};
use tests::world::ORIGIN;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A verdict comes within this time, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// The ledger's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// How messages come.
#[derive(Clone, Copy, Debug)]
pub enum Delivered {
    InOrder,
    /// By this seed.
    TwiceInAnyOrder(u64),
}

/// Kind, key, removed, hash and body.
type Record = (i32, String, bool, Vec<u8>, Vec<u8>);

/// What a ledger holds, numbers of rows, runs and closings aside.
#[derive(Default)]
pub struct Held {
    records: Vec<Record>,
    /// What records are derived from, and what is suspected: a line each.
    beside: Vec<String>,
    moves: Vec<String>,
}

impl Held {
    /// The records are the same, byte by byte, and so is what they are derived from.
    #[track_caller]
    pub fn records_are(&self, other: &Held, what: &str) {
        assert!(self.records.len() > 1_000, "{what}");
        for (mine, others) in self.records.iter().zip(&other.records) {
            assert!(mine == others, "{what}: {mine:?} is not {others:?}");
        }
        assert_eq!(self.records.len(), other.records.len(), "{what}");
        assert_eq!(self.beside, other.beside, "{what}");
    }

    /// So is all else.
    #[track_caller]
    pub fn is(&self, other: &Held, what: &str) {
        self.records_are(other, what);
        assert_eq!(self.moves, other.moves, "{what}");
        assert!(!self.moves.is_empty(), "nobody got or lost a licence");
    }

    async fn read(db: &Db) -> Held {
        let mut read = db.read().await.unwrap();
        let records = "SELECT kind, key, removed, hash, body FROM record ORDER BY kind, key";
        let mut held = Held {
            records: query(records).fetch_all(&mut read).await.unwrap(),
            ..Held::default()
        };
        let counts = "SELECT sku, assigned, direct, by_group, unknown, in_error FROM license_count ORDER BY sku";
        let counts: Vec<(String, i64, i64, i64, i64, i64)> =
            query(counts).fetch_all(&mut read).await.unwrap();
        held.beside.extend(counts.iter().map(|c| format!("{c:?}")));
        let basis = "SELECT sku, fingerprint FROM finding_basis ORDER BY sku";
        let basis: Vec<(String, Vec<u8>)> = query(basis).fetch_all(&mut read).await.unwrap();
        held.beside.extend(basis.iter().map(|b| format!("{b:?}")));
        let suspects = "SELECT dataset, key, state FROM suspect ORDER BY dataset, key";
        let suspects: Vec<(String, String, i64)> =
            query(suspects).fetch_all(&mut read).await.unwrap();
        held.beside
            .extend(suspects.iter().map(|s| format!("{s:?}")));
        let moves = "SELECT sku, at, user_key, gained, lost, gone FROM license_move ORDER BY sku, at, user_key";
        let moves: Vec<(String, i64, String, i64, i64, i64)> =
            query(moves).fetch_all(&mut read).await.unwrap();
        held.moves.extend(moves.iter().map(|m| format!("{m:?}")));
        held
    }
}

/// What a ledger's file holds.
pub fn stored(file: &Path) -> Held {
    let runtime = runtime();
    let held = runtime.block_on(async {
        let db = sqlite(file).await;
        let held = Held::read(&db).await;
        db.close().await;
        held
    });
    drop(runtime);
    held
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

async fn sqlite(file: &Path) -> Db {
    let options = Options {
        path: file.to_owned(),
        durability: Durability::Normal,
        brake: false,
    };
    Db::open(&options, &MIGRATIONS).await.unwrap()
}

/// Messages that may come in any order: of each dataset one run. The next one begins when this one has its verdict.
struct Round {
    messages: Vec<Body>,
    seals: BTreeSet<(String, u64)>,
}

fn rounds(heard: &[Body]) -> Vec<Round> {
    let name = |dataset: &str, run: u64| (dataset.to_owned(), run);
    let (mut rounds, mut sealed) = (Vec::<Round>::new(), BTreeSet::new());
    for message in heard {
        let Body::Sealed(RunSealed { dataset, run, .. }) = message else {
            continue;
        };
        if !sealed.insert(name(dataset, *run)) {
            continue;
        }
        let open = rounds.last_mut();
        let open = open.filter(|r| r.seals.iter().all(|(other, _)| other != dataset));
        let round = match open {
            Some(round) => round,
            None => {
                rounds.push(Round {
                    messages: Vec::new(),
                    seals: BTreeSet::new(),
                });
                rounds.last_mut().unwrap()
            }
        };
        let of_it = |m: &&Body| matches!(m, Body::Page(PageFetched { dataset: d, run: r, .. }) if d == dataset && r == run);
        round.messages.extend(heard.iter().filter(of_it).cloned());
        round.messages.push(message.clone());
        round.seals.insert(name(dataset, *run));
    }
    rounds
}

/// Lets as many normalizers make a ledger of what was heard.
pub fn replay(heard: &[Body], on: On, normalizers: usize, delivered: Delivered) -> Held {
    let (runtime, home) = (runtime(), tempfile::tempdir().unwrap());
    let server = (on == On::Postgres).then(|| {
        let server = servers::Postgres::start(&Default::default()).unwrap();
        server.create_database("ledger").unwrap();
        server
    });
    let held = runtime.block_on(async {
        let mut dbs = Vec::new();
        match &server {
            None => {
                let db = sqlite(&home.path().join("ledger.db")).await;
                dbs.resize(normalizers, db);
            }
            Some(server) => {
                for _ in 0..normalizers {
                    dbs.push(postgres(server, home.path()).await);
                }
            }
        }
        let held = made(heard, &dbs, delivered).await;
        for db in dbs {
            db.close().await;
        }
        held
    });
    drop(runtime);
    held
}

async fn postgres(server: &servers::Postgres, home: &Path) -> Db {
    let password = home.join("password");
    std::fs::write(&password, server.password()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/ledger", server.port());
    let config = runtime::db::Config {
        password_file: Some(password),
        ..runtime::db::Config::new(url)
    };
    Db::migrate(&config, &MIGRATIONS, "normalizer")
        .await
        .unwrap();
    let stop = CancellationToken::new();
    Db::connect(&config, &MIGRATIONS, "normalizer", &stop)
        .await
        .unwrap()
}

async fn made(heard: &[Body], dbs: &[Db], delivered: Delivered) -> Held {
    let topology = Topology::of_pools(["default".parse().unwrap()]);
    let bus = Bus::new(Arc::new(Memory::new(topology)), Keys::generate());
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    for db in dbs {
        let config = Config {
            lateness_seconds: 0,
            ..Config::default()
        };
        let deps = Deps {
            bus: bus.clone(),
            db: db.clone(),
            // It never gets as late as it was when the messages were published, so nothing seems to be read too early.
            clock: Clock::starting_at(ORIGIN),
            at_rest: None,
        };
        let (one, stop) = (Normalizer::new(config, deps).unwrap(), stop.clone());
        tasks.spawn(async move { one.run(stop).await.unwrap() });
    }
    let (tell, mut verdicts) = mpsc::unbounded_channel();
    for queue in [Queue::Verdict("default".parse().unwrap()), Queue::Closing] {
        let (bus, tell, stop) = (bus.clone(), tell.clone(), stop.clone());
        tasks.spawn(async move {
            let handler = move |r: bus::Received| {
                let tell = tell.clone();
                async move {
                    _ = tell.send(r.body);
                    Ok::<_, std::io::Error>(Outcome::Done)
                }
            };
            let options = ConsumeOptions::default();
            bus::consume(&bus, queue, options, stop, handler)
                .await
                .unwrap();
        });
    }
    let mut random = match delivered {
        Delivered::InOrder => None,
        Delivered::TwiceInAnyOrder(seed) => Some(fastrand::Rng::with_seed(seed)),
    };
    for Round {
        messages,
        mut seals,
    } in rounds(heard)
    {
        let mut messages: Vec<&Body> = messages.iter().collect();
        if let Some(random) = &mut random {
            messages.extend(messages.clone());
            random.shuffle(&mut messages);
        }
        for message in messages {
            bus.publish(message).await.unwrap();
        }
        while !seals.is_empty() {
            let heard = tokio::time::timeout(LIMIT, verdicts.recv()).await;
            let Body::Closed(verdict) = heard.expect("a verdict is missing").unwrap() else {
                continue;
            };
            assert!(verdict.complete && !verdict.needs_full, "{verdict:?}");
            seals.remove(&(verdict.dataset, verdict.run));
        }
    }
    for queue in [Queue::PageFull, Queue::PageSome, Queue::Seal] {
        while bus.backend().depth(&queue).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    }
    stop.cancel();
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    Held::read(&dbs[0]).await
}
