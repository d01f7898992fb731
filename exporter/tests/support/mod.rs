//! A rig for tests: a ledger in memory behind the real feed service, and an exporter that follows it.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod ledger;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod prism;
pub mod servicenow;
pub mod snipe_it;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Keys, Topology, memory::Memory};
use exporter::{Config, Deps, Exporter, SinkConfig};
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::{
    ExporterStatusRequest, ListRejectsRequest, ListSinksRequest, ResyncSinkRequest, SinkReject,
    SinkStatus, SinkSummary, TestSinkRequest, TestSinkResponse, WaitDeliveredRequest,
};
use proto::feed::v1::feed_server::FeedServer;
use proto::message::Body;
use proto::pages::v1::ClosingAnnounced;
use runtime::db::{Db, Durability, Options};
use runtime::{CancellationToken, Clock, Problem};
use tokio::task::JoinSet;

use ledger::Ledger;

pub const A: &str = "aaaaaaaa-0000-0000-0000-000000000001";
pub const B: &str = "bbbbbbbb-0000-0000-0000-000000000002";

/// A sink that is a directory.
pub fn directory(path: PathBuf) -> SinkConfig {
    SinkConfig::new(exporter::sink::files::Directory::new(path))
}

/// Serves a vendor. It brings a runtime of its own, which can't begin within another one.
pub fn receiver<V: sink_sim::Vendor>(vendor: V) -> sink_sim::Sim<V> {
    let started = std::thread::spawn(|| sink_sim::Sim::start(vendor));
    started.join().unwrap().unwrap()
}

/// A sink that is a SQLite file.
pub fn sqlite(path: PathBuf) -> SinkConfig {
    SinkConfig::new(exporter::sink::database::Sqlite { path })
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub ledger: Ledger,
    pub bus: Bus,
    /// What the exporter takes for the time: tokio's where that is paused.
    pub clock: Clock,
    config: Config,
    running: Option<Running>,
    paused: bool,
    /// The exporter's database, where it is one that others may share.
    shared: Option<runtime::db::Config>,
    started: u32,
}

struct Running {
    exporter: Exporter,
    stop: CancellationToken,
    task: JoinSet<Result<(), Problem>>,
    db: Db,
}

impl Rig {
    /// An exporter with the sinks that `sinks` puts below a fresh directory.
    pub async fn new(sinks: impl FnOnce(&Path) -> Vec<SinkConfig>) -> Rig {
        Rig::with(sinks, false).await
    }

    /// The same with a directory of files and a SQLite file, under tokio's paused clock.
    pub async fn paused() -> Rig {
        let sinks = |dir: &Path| {
            vec![
                directory(dir.join("out")),
                sqlite(dir.join("rows/inventory.db")),
            ]
        };
        Rig::paused_with(sinks).await
    }

    /// The same with other sinks.
    pub async fn paused_with(sinks: impl FnOnce(&Path) -> Vec<SinkConfig>) -> Rig {
        Rig::with(sinks, true).await
    }

    async fn with(sinks: impl FnOnce(&Path) -> Vec<SinkConfig>, paused: bool) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let sinks = sinks(dir.path());
        // Nobody waits for the clock here: whoever wants fresh heads asks for them.
        let config = Config {
            sinks,
            poll: Duration::from_secs(3_600),
            ..Config::default()
        };
        let bus = Bus::new(
            Arc::new(Memory::new(Topology::of_pools([]))),
            Keys::generate(),
        );
        let mut rig = Rig {
            dir,
            ledger: Ledger::default(),
            bus,
            clock: match paused {
                true => Clock::starting_at(Clock::system().micros()),
                false => Clock::system(),
            },
            config,
            running: None,
            paused,
            shared: None,
            started: 0,
        };
        rig.start().await;
        rig
    }

    /// The same with a database of PostgreSQL for the exporter: each start is another exporter that shares it.
    #[cfg(feature = "postgres")]
    pub async fn shared(sinks: impl FnOnce(&Path) -> Vec<SinkConfig>) -> Rig {
        let mut rig = Rig::with(sinks, false).await;
        rig.stop().await;
        let made = postgres::new(rig.dir.path());
        let config = runtime::db::Config {
            password_file: made.password_file,
            ..runtime::db::Config::new(made.url)
        };
        let migrated = Db::migrate(&config, &exporter::MIGRATIONS, "exporter").await;
        migrated.unwrap();
        rig.shared = Some(config);
        rig.config.lease = Duration::from_secs(1);
        rig.start().await;
        rig
    }

    pub async fn files() -> Rig {
        Rig::new(|dir| vec![directory(dir.join("out"))]).await
    }

    /// A sink of rows: the database that the test binary is about.
    pub async fn rows_sink() -> Rig {
        #[cfg(feature = "postgres")]
        if postgres::is_meant() {
            return Rig::new(|dir| vec![SinkConfig::new(postgres::new(dir))]).await;
        }
        Rig::new(|dir| vec![sqlite(dir.join("out/inventory.db"))]).await
    }

    pub async fn start(&mut self) {
        let options = Options {
            path: self.dir.path().join("exporter.db"),
            durability: Durability::Full,
            brake: self.paused,
        };
        let migrations = &exporter::MIGRATIONS;
        let db = match &self.shared {
            Some(config) => {
                let stop = CancellationToken::new();
                Db::connect(config, migrations, "exporter", &stop).await
            }
            None => Db::open(&options, migrations).await,
        };
        let db = db.unwrap();
        self.started += 1;
        let feed = runtime::grpc::local(FeedServer::new(self.ledger.clone()));
        let deps = Deps {
            holder: format!("exporter {}", self.started),
            bus: self.bus.clone(),
            db: db.clone(),
            clock: self.clock.clone(),
            feed,
        };
        let exporter = Exporter::new(self.config.clone(), deps)
            .unwrap()
            .with_brake(self.paused);
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        let (run, token) = (exporter.clone(), stop.clone());
        task.spawn(async move { run.run(token).await });
        self.running = Some(Running {
            exporter,
            stop,
            task,
            db,
        });
    }

    pub async fn stop(&mut self) {
        let mut running = self.running.take().unwrap();
        running.stop.cancel();
        running.task.join_next().await.unwrap().unwrap().unwrap();
        running.db.close().await;
    }

    /// As if the power had failed: nothing is finished.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().unwrap();
        running.task.shutdown().await;
        running.db.close().await;
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration; stop it first.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Changes a SQLite file behind the back of the exporter; stop that first.
    pub async fn sql(&self, file: &str, sql: &'static str) {
        let mut connection = self.file(file, "rw").await;
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    }

    /// The same with the sink of rows.
    pub async fn change(&self, sql: &'static str) {
        #[cfg(feature = "postgres")]
        if postgres::is_meant() {
            postgres::sql(self.dir.path(), sql);
            return;
        }
        self.sql("out/inventory.db", sql).await;
    }

    /// What the sink of rows answers.
    pub async fn rows(&self, sql: &'static str) -> Vec<String> {
        #[cfg(feature = "postgres")]
        if postgres::is_meant() {
            return postgres::sql(self.dir.path(), sql);
        }
        let mut connection = self.file("out/inventory.db", "ro").await;
        let rows = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        rows.unwrap()
    }

    /// Changes a SQLite file anywhere.
    pub async fn change_of(&self, file: &Path, sql: &'static str) {
        let mut connection = self.file(file, "rw").await;
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    }

    /// What a SQLite file anywhere answers.
    pub async fn rows_of(&self, file: &Path, sql: &'static str) -> Vec<String> {
        let mut connection = self.file(file, "ro").await;
        let rows = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        rows.unwrap()
    }

    async fn file(&self, file: impl AsRef<Path>, mode: &str) -> sqlx::SqliteConnection {
        let file = self.dir.path().join(file);
        let url = format!("sqlite://{}?mode={mode}", file.display());
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&url)
            .await
            .unwrap()
    }

    fn admin(&self) -> ExporterAdminClient<runtime::grpc::Channel> {
        ExporterAdminClient::new(runtime::grpc::local(
            self.running.as_ref().unwrap().exporter.admin(),
        ))
    }

    /// Has the first sink get everything anew.
    pub async fn resync(&self) {
        let sink = self.config.sinks[0].name().to_owned();
        let request = ResyncSinkRequest {
            sink,
            tenant_ids: vec![],
        };
        self.admin().resync_sink(request).await.unwrap();
    }

    /// Every sink.
    pub async fn sinks(&self) -> Vec<SinkSummary> {
        let listed = self.admin().list_sinks(ListSinksRequest {}).await;
        listed.unwrap().into_inner().sinks
    }

    /// What sinks refused.
    pub async fn rejects(&self) -> Vec<SinkReject> {
        let request = ListRejectsRequest::default();
        let listed = self.admin().list_rejects(request).await.unwrap();
        listed.into_inner().rejects
    }

    /// Has all of it sent again.
    pub async fn replay(&self) {
        let request = ListRejectsRequest::default();
        self.admin().replay_rejects(request).await.unwrap();
    }

    /// What the first sink would be sent.
    pub async fn test(&self) -> TestSinkResponse {
        let request = TestSinkRequest {
            sink: self.config.sinks[0].name().to_owned(),
            tenant_id: String::new(),
        };
        self.admin().test_sink(request).await.unwrap().into_inner()
    }

    /// Waits until everything is delivered or failed.
    pub async fn wait(&self) -> Vec<SinkStatus> {
        self.admin()
            .wait_delivered(WaitDeliveredRequest {})
            .await
            .unwrap()
            .into_inner()
            .sinks
    }

    /// Announces a closing of A.
    pub async fn announce(&self, closing: u64) {
        let announced = ClosingAnnounced {
            tenant_id: A.into(),
            closing,
        };
        self.bus.publish(&Body::Closing(announced)).await.unwrap();
    }

    pub async fn status(&self) -> Vec<SinkStatus> {
        self.admin()
            .status(ExporterStatusRequest {})
            .await
            .unwrap()
            .into_inner()
            .sinks
    }

    /// Waits, and insists that everything was delivered.
    pub async fn sync(&self) -> Vec<SinkStatus> {
        let sinks = self.wait().await;
        assert!(
            !sinks.is_empty() && sinks.iter().all(|s| s.delivered && s.problem.is_empty()),
            "{sinks:#?}"
        );
        sinks
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// The lines of a kind.
    pub fn lines(&self, kind: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.out().join(format!("{kind}.ndjson"))).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    /// (tenant's first letter, user's key, display name) of every user.
    pub fn users(&self) -> Vec<String> {
        let text = |v: &serde_json::Value| v.as_str().unwrap_or("-").to_owned();
        self.lines("user")
            .iter()
            .map(|u| {
                format!(
                    "{}/{}={}",
                    &text(&u["tenantId"])[..1],
                    text(&u["userId"]),
                    text(&u["displayName"])
                )
            })
            .collect()
    }

    pub fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.out().join("manifest.json")).unwrap()).unwrap()
    }
}
