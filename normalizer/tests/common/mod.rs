//! A normalizer with a memory bus and a real database, seen from the collector's and the exporter's side.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers; each file uses its part"
)]

mod database;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus::memory::Memory;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology};
pub use database::{on_postgres, open, open_as};
use normalizer::{AtRest, Config, Deps, Normalizer};
use prost::Message as _;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{NormalizerStatus, NormalizerStatusRequest};
use proto::feed::v1::feed_client::FeedClient;
use proto::feed::v1::{
    Cursor, FollowRequest, Head, HeadsRequest, Record, SnapshotBatch, SnapshotRequest,
};
use proto::inventory::v1::LicensePosition;
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, PageRange, RunClosed, RunMode, RunSealed};
use runtime::db::{Db, query};
use runtime::grpc::{Channel, local};
use runtime::{CancellationToken, Clock};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const START: u64 = 1_800_000_000_000_000;
pub const MINUTE: u64 = 60_000_000;
pub const E5: &str = "06ebc4ee-1bb5-47dd-8120-11324bc54e06";

pub struct World {
    pub dir: tempfile::TempDir,
    pub bus: Bus,
    keys: Keys,
    pub clock: Clock,
    pub config: Config,
    pub normalizer: Normalizer,
    pub db: Db,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    heard: UnboundedReceiver<Body>,
    tell: UnboundedSender<Body>,
    announced: VecDeque<u64>,
    brake: bool,
}

impl World {
    pub async fn new() -> World {
        World::with(false).await
    }

    /// For tests under tokio's paused clock.
    pub async fn paused() -> World {
        World::with(true).await
    }

    async fn with(brake: bool) -> World {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let keys = Keys::load_or_create(&path).unwrap();
        let topology = Topology::of_pools(["p".parse().unwrap()]);
        let bus = Bus::new(Arc::new(Memory::new(topology)), Keys::load(&path).unwrap());
        let (tell, heard) = unbounded_channel();
        let clock = Clock::starting_at(START);
        let db = open(dir.path(), brake).await;
        let config = Config::default();
        let deps = Deps {
            bus: bus.clone(),
            db: db.clone(),
            clock: clock.clone(),
            at_rest: at_rest(dir.path()),
        };
        let normalizer = Normalizer::new(config.clone(), deps).unwrap();
        let (stop, tasks) = (CancellationToken::new(), JoinSet::new());
        let mut world = World {
            dir,
            bus,
            keys,
            clock,
            config,
            normalizer,
            db,
            stop,
            tasks,
            heard,
            tell,
            announced: VecDeque::new(),
            brake,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let (me, stop) = (self.normalizer.clone(), self.stop.clone());
        self.tasks.spawn(async move { me.run(stop).await.unwrap() });
        for queue in [Queue::Verdict("p".parse().unwrap()), Queue::Closing] {
            let (bus, tell, stop) = (self.bus.clone(), self.tell.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                let handler = move |r: bus::Received| {
                    let tell = tell.clone();
                    async move {
                        _ = tell.send(r.body);
                        Ok::<_, std::io::Error>(Outcome::Done)
                    }
                };
                bus::consume(&bus, queue, ConsumeOptions::default(), stop, handler)
                    .await
                    .unwrap();
            });
        }
    }

    /// Stops the process; the database stays.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
        self.db.close().await;
    }

    /// Starts the process again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.stop = CancellationToken::new();
        self.db = open(self.dir.path(), self.brake).await;
        let deps = Deps {
            bus: self.bus.clone(),
            db: self.db.clone(),
            clock: self.clock.clone(),
            at_rest: at_rest(self.dir.path()),
        };
        self.normalizer = Normalizer::new(self.config.clone(), deps).unwrap();
        self.start();
    }

    pub fn now(&self) -> u64 {
        self.clock.micros()
    }

    pub fn minutes(&self, n: u64) {
        self.clock.advance(Duration::from_micros(n * MINUTE));
    }

    pub async fn send(&self, body: Body) {
        self.bus.publish(&body).await.unwrap();
    }

    /// Puts a message where those lie that could not be handled.
    pub async fn bury(&self, body: Body) {
        let envelope = self.keys.seal(&body).unwrap();
        self.bus
            .backend()
            .publish(&Queue::Dead, envelope)
            .await
            .unwrap();
    }

    pub async fn hear(&mut self) -> Body {
        tokio::time::timeout(Duration::from_secs(60), self.heard.recv())
            .await
            .expect("nothing was said")
            .unwrap()
    }

    /// The next verdict.
    pub async fn verdict(&mut self) -> RunClosed {
        loop {
            match self.hear().await {
                Body::Closed(c) => return c,
                Body::Closing(c) => self.announced.push_back(c.closing),
                _ => {}
            }
        }
    }

    /// The next announced closing.
    pub async fn announced(&mut self) -> u64 {
        loop {
            if let Some(closing) = self.announced.pop_front() {
                return closing;
            }
            if let Body::Closing(c) = self.hear().await {
                self.announced.push_back(c.closing);
            }
        }
    }

    /// Changes the ledger behind the normalizer's back.
    pub async fn sql(&self, sql: &'static str) {
        let mut w = self.db.write().await.unwrap();
        query(sql).execute(&mut w).await.unwrap();
        w.commit().await.unwrap();
    }

    /// Messages in the inbox.
    pub async fn waiting(&self) -> i64 {
        let sql = "SELECT (SELECT count(*) FROM inbox_page) + (SELECT count(*) FROM inbox_seal)";
        query(sql)
            .fetch_one(&mut self.db.read().await.unwrap())
            .await
            .unwrap()
    }

    pub async fn status(&self) -> NormalizerStatus {
        let mut admin = NormalizerAdminClient::new(local(self.normalizer.admin()));
        let status = admin.status(NormalizerStatusRequest {}).await;
        status.unwrap().into_inner()
    }

    /// Publishes a run and waits for its verdict.
    pub async fn run(&mut self, run: Run) -> RunClosed {
        let (pages, seal) = run.messages(self.now());
        for page in pages {
            self.send(page).await;
        }
        self.send(seal).await;
        self.verdict().await
    }

    pub fn channel(&self) -> FeedClient<Channel> {
        FeedClient::new(local(self.normalizer.feed()))
    }

    pub async fn head(&self) -> Head {
        let heads = self
            .channel()
            .heads(HeadsRequest {})
            .await
            .unwrap()
            .into_inner()
            .heads;
        assert_eq!(heads.len(), 1);
        heads[0].clone()
    }

    pub async fn snapshot(&self, kinds: &[&str]) -> Vec<SnapshotBatch> {
        let kinds = kinds.iter().map(|k| (*k).to_owned()).collect();
        let request = SnapshotRequest {
            tenant_id: TENANT.into(),
            kinds,
        };
        let mut stream = self.channel().snapshot(request).await.unwrap().into_inner();
        let mut out = Vec::new();
        while let Some(batch) = stream.message().await.unwrap() {
            out.push(batch);
        }
        out
    }

    /// Live records by "kind/key".
    pub async fn records(&self) -> BTreeMap<String, Record> {
        let batches = self.snapshot(&[]).await;
        batches
            .into_iter()
            .flat_map(|b| b.records)
            .map(|r| (format!("{}/{}", r.kind, r.key), r))
            .collect()
    }

    /// Keys of live users.
    pub async fn users(&self) -> Vec<String> {
        let batches = self.snapshot(&["user"]).await;
        batches
            .into_iter()
            .flat_map(|b| b.records)
            .map(|r| r.key)
            .collect()
    }

    pub async fn position(&self, sku: &str) -> Option<LicensePosition> {
        let records = self.records().await;
        records
            .get(&format!("license_position/{sku}"))
            .map(|r| LicensePosition::decode(&r.body[..]).unwrap())
    }

    /// How many records a cursor lacks.
    pub async fn pending(&self, cursor: &proto::feed::v1::Cursor) -> u32 {
        let request = proto::feed::v1::CountPendingRequest {
            tenant_id: TENANT.into(),
            cursor: Some(cursor.clone()),
        };
        let counted = self.channel().count_pending(request).await;
        counted.unwrap().into_inner().records
    }

    /// Follows as a sink does. Returns whether a snapshot is needed.
    pub async fn follow(&self, sink: &mut Sink, most: u32) -> bool {
        let request = FollowRequest {
            tenant_id: TENANT.into(),
            cursor: Some(sink.cursor.clone()),
            max_records: most,
        };
        let mut stream = self.channel().follow(request).await.unwrap().into_inner();
        while let Some(batch) = stream.message().await.unwrap() {
            assert_eq!(batch.from.as_ref(), Some(&sink.cursor));
            if batch.snapshot_needed {
                return true;
            }
            assert!(batch.records.len() <= most as usize && !batch.records.is_empty());
            sink.seen += batch.records.len();
            for r in batch.records {
                let key = format!("{}/{}", r.kind, r.key);
                assert_eq!(r.removed, r.body.is_empty());
                match r.removed {
                    true => drop(sink.records.remove(&key)),
                    false => drop(sink.records.insert(key, r)),
                }
            }
            sink.cursor = batch.to.unwrap();
        }
        false
    }
}

#[derive(Default)]
pub struct Sink {
    pub cursor: Cursor,
    pub records: BTreeMap<String, Record>,
    /// Records that it was told.
    pub seen: usize,
}

/// The keys in this directory: those that somebody made there before count too.
fn at_rest(dir: &std::path::Path) -> Option<Arc<runtime::seal::Ring>> {
    let mut at_rest = AtRest::embedded(dir.join("at-rest.key")).unwrap();
    let old = dir.join("old.key");
    at_rest.old_key_files.extend(old.exists().then_some(old));
    Some(Arc::new(at_rest.open().unwrap()))
}

/// A run as a collector publishes it.
#[derive(Clone)]
pub struct Run {
    pub dataset: &'static str,
    pub run: u64,
    pub attempt: u64,
    pub base: u64,
    pub mode: RunMode,
    pub pages: Vec<Page>,
    pub started_at: Option<u64>,
    pub tenant_removed: bool,
    pub datasets: Vec<&'static str>,
    pub gaps: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Page {
    pub objects: Vec<String>,
    pub gone: Vec<String>,
    pub missing: Vec<String>,
    pub broken: bool,
}

impl Run {
    pub fn full(dataset: &'static str, run: u64, pages: Vec<Vec<String>>) -> Run {
        let pages = pages
            .into_iter()
            .map(|objects| Page {
                objects,
                ..Page::default()
            })
            .collect();
        Run {
            dataset,
            run,
            attempt: 1,
            base: 0,
            mode: RunMode::Full,
            pages,
            started_at: None,
            tenant_removed: false,
            datasets: vec![],
            gaps: vec![],
        }
    }

    pub fn some(dataset: &'static str, run: u64, base: u64, page: Page) -> Run {
        Run {
            mode: RunMode::Some,
            base,
            pages: vec![page],
            ..Run::full(dataset, run, vec![])
        }
    }

    pub fn messages(&self, now: u64) -> (Vec<Body>, Body) {
        let page = |(i, p): (usize, &Page)| {
            let json = format!("{{\"value\":[{}]}}", p.objects.join(","));
            let body = if p.broken {
                b"broken".to_vec()
            } else {
                zstd::bulk::compress(json.as_bytes(), 1).unwrap()
            };
            Body::Page(PageFetched {
                tenant_id: TENANT.into(),
                dataset: self.dataset.into(),
                run: self.run,
                attempt: self.attempt,
                sequence: u32::try_from(i).unwrap(),
                mode: self.mode.into(),
                body,
                objects: u32::try_from(p.objects.len()).unwrap(),
                gone: p.gone.clone(),
                missing: p.missing.clone(),
                graph_request_id: format!("request-{i}"),
                fetched_at: now,
                columns: Vec::new(),
            })
        };
        let pages: Vec<Body> = self.pages.iter().enumerate().map(page).collect();
        let last = u32::try_from(pages.len()).unwrap().checked_sub(1);
        let seal = RunSealed {
            tenant_id: TENANT.into(),
            dataset: self.dataset.into(),
            run: self.run,
            attempt: self.attempt,
            mode: self.mode.into(),
            base: self.base,
            pages: last
                .map(|last| PageRange {
                    attempt: self.attempt,
                    first: 0,
                    last,
                })
                .into_iter()
                .collect(),
            objects: self.pages.iter().map(|p| p.objects.len() as u64).sum(),
            started_at: self.started_at.unwrap_or(now),
            sealed_at: now,
            requests: 1,
            pool: "p".into(),
            tenant_removed: self.tenant_removed,
            datasets: self.datasets.iter().map(|d| (*d).to_owned()).collect(),
            gaps: self.gaps.clone(),
            ..RunSealed::default()
        };
        (pages, Body::Sealed(seal))
    }
}

pub fn user(id: &str, city: &str) -> String {
    format!(
        r#"{{"id":"{id}","city":"{city}","accountEnabled":true,"assignedLicenses":[{{"skuId":"{E5}","disabledPlans":[]}}],
        "licenseAssignmentStates":[{{"skuId":"{E5}","state":"Active","error":"None"}}]}}"#
    )
}

pub fn users(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter()
        .map(|i| user(&format!("u{i:04}"), "Bonn"))
        .collect()
}

pub fn sku(id: &str, enabled: u32, consumed: u32) -> String {
    format!(
        r#"{{"id":"t_{id}","skuId":"{id}","skuPartNumber":"SPE_E5","appliesTo":"User","consumedUnits":{consumed},"prepaidUnits":{{"enabled":{enabled}}}}}"#
    )
}
