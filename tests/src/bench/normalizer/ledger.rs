//! A normalizer with a queue in memory and a real database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bus::memory::Memory;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology};
use normalizer::{Config, Deps, MIGRATIONS, Normalizer};
use proto::message::{Body, Queue};
use proto::pages::v1::RunClosed;
use runtime::db::{self, Db, Durability, Options};
use runtime::{CancellationToken, Clock};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::users::{self, Run};

pub(super) const POOL: &str = "default";
/// More pages don't lie in the queue while a normalizer works: they would count as its memory.
const MOST_QUEUED: u64 = 16;

pub(super) struct Ledger {
    normalizer: Normalizer,
    bus: Bus,
    verdicts: UnboundedReceiver<RunClosed>,
    db: Db,
    next: u64,
    listening: JoinSet<()>,
}

/// A database of SQLite in this directory.
pub(super) async fn sqlite(dir: &Path) -> Result<Db> {
    let options = Options {
        path: dir.join("ledger.db"),
        durability: Durability::Normal,
        brake: false,
    };
    Ok(Db::open(&options, &MIGRATIONS).await?)
}

/// A database of a server of PostgreSQL.
pub(super) async fn postgres(url: &str, password: &Path) -> Result<Db> {
    let config = db::Config {
        password_file: Some(password.to_owned()),
        ..db::Config::new(url)
    };
    Db::migrate(&config, &MIGRATIONS, "normalizer").await?;
    let stop = CancellationToken::new();
    Ok(Db::connect(&config, &MIGRATIONS, "normalizer", &stop).await?)
}

impl Ledger {
    /// Over an empty database, to which it tells the tenant's products.
    pub async fn new(db: Db) -> Result<Ledger> {
        let pool: proto::ids::Pool = POOL.parse()?;
        let queue = Memory::new(Topology::of_pools([pool.clone()]));
        let bus = Bus::new(Arc::new(queue), Keys::generate());
        let clock = Clock::system();
        let next = clock.micros();
        let deps = Deps {
            bus: bus.clone(),
            db: db.clone(),
            clock,
            at_rest: None,
        };
        let normalizer = Normalizer::new(Config::default(), deps)?;
        let (tell, verdicts) = unbounded_channel();
        let mut listening = JoinSet::new();
        let listener = bus.clone();
        listening.spawn(async move {
            let handler = move |r: bus::Received| {
                let tell = tell.clone();
                async move {
                    if let Body::Closed(closed) = r.body {
                        _ = tell.send(closed);
                    }
                    Ok::<_, std::io::Error>(Outcome::Done)
                }
            };
            let (verdicts, never) = (Queue::Verdict(pool), CancellationToken::new());
            _ = bus::consume(
                &listener,
                verdicts,
                ConsumeOptions::default(),
                never,
                handler,
            )
            .await;
        });
        let mut ledger = Ledger {
            normalizer,
            bus,
            verdicts,
            db,
            next,
            listening,
        };
        let products = users::products(ledger.number())?;
        ledger.pass(products.into(), 2).await?;
        Ok(ledger)
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The number of the next run.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Seconds that a run takes from the queue to its verdict. All of it lies in the queue before.
    pub async fn run(&mut self, run: Run, changed: usize) -> Result<f64> {
        let messages: Result<Vec<Body>> = run.pages().chain([run.seal()]).collect();
        self.pass(messages?, changed).await
    }

    async fn pass(&mut self, messages: Vec<Body>, changed: usize) -> Result<f64> {
        for body in messages {
            self.bus.publish(&body).await?;
        }
        let began = Instant::now();
        let running = Running::start(&self.normalizer);
        self.verdict(changed).await?;
        let seconds = began.elapsed().as_secs_f64();
        running.end().await?;
        Ok(seconds)
    }

    /// Seconds until the pages of a run are in the inbox, and from its seal to its verdict. Few lie in the queue at a
    /// time.
    pub async fn stream(&mut self, run: Run, changed: usize) -> Result<(f64, f64)> {
        let running = Running::start(&self.normalizer);
        let began = Instant::now();
        for body in run.pages() {
            self.bus.publish(&body?).await?;
            self.until_queued(MOST_QUEUED).await?;
        }
        self.until_queued(0).await?;
        let taken = began.elapsed().as_secs_f64();
        self.bus.publish(&run.seal()?).await?;
        self.verdict(changed).await?;
        let applied = began.elapsed().as_secs_f64() - taken;
        running.end().await?;
        Ok((taken, applied))
    }

    /// Waits while more pages lie in the queue.
    async fn until_queued(&self, most: u64) -> Result<()> {
        while self.bus.backend().depth(&Queue::PageFull).await? > most {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    async fn verdict(&mut self, changed: usize) -> Result<()> {
        let verdict = self.verdicts.recv().await;
        let counts = verdict.and_then(|v| v.counts).unwrap_or_default();
        if counts.changed != changed as u64 || counts.gaps > 0 {
            bail!("{changed} records should have changed, the verdict says {counts:?}");
        }
        Ok(())
    }

    /// Ends it; the database stays open.
    pub async fn close(mut self) {
        self.listening.shutdown().await;
    }
}

/// A normalizer at work.
struct Running(CancellationToken, JoinSet<Result<(), runtime::Problem>>);

impl Running {
    fn start(normalizer: &Normalizer) -> Running {
        let (me, stop) = (normalizer.clone(), CancellationToken::new());
        let (token, mut tasks) = (stop.clone(), JoinSet::new());
        tasks.spawn(async move { me.run(token).await });
        Running(stop, tasks)
    }

    async fn end(mut self) -> Result<()> {
        self.0.cancel();
        while let Some(ended) = self.1.join_next().await {
            ended??;
        }
        Ok(())
    }
}
