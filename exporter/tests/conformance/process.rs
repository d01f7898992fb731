//! An exporter in a process of its own, which can be killed and stopped: this program once more, asked for the one test
//! that is no test. It follows the ledger of the test over a Unix socket.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Keys, Topology, memory::Memory};
use exporter::{Config, Deps, Exporter};
use proto::admin::v1::WaitDeliveredRequest;
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::feed::v1::feed_server::FeedServer;
use runtime::db::{Db, Durability, Options};
use runtime::{CancellationToken, Clock};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;

use super::support::Rig;

/// What such a process is told, as JSON.
const ORDER: &str = "LEASTWISE_TEST_EXPORTER";

/// What it says when it begins, and when everything is delivered; anything else is why something is not.
const READY: &str = "exporter: ready";
const DONE: &str = "exporter: done";

/// What an exporter works with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub config: Config,
    pub store: Store,
    /// The ledger's socket.
    pub feed: PathBuf,
}

/// Where it notes what it has delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Store {
    Sqlite(PathBuf),
    Postgres(runtime::db::Config),
}

/// Serves the rig's ledger on a socket in its directory, until the set is dropped.
pub fn serve(rig: &Rig) -> (PathBuf, JoinSet<()>) {
    let path = rig.dir.path().join("feed.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let ledger = FeedServer::new(rig.ledger.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let served = tonic::transport::Server::builder()
            .add_service(ledger)
            .serve_with_incoming(UnixListenerStream::new(listener));
        served.await.unwrap();
    });
    (path, serving)
}

/// A running one. It is killed when it is dropped.
pub struct Process {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Process {
    /// Starts one and returns as soon as it begins to work.
    pub async fn start(order: &Order) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "conformance::process::an_exporter",
                "--nocapture",
            ])
            .env(ORDER, serde_json::to_string(order).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, mut said) = mpsc::unbounded_channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The harness talks too.
                if line.starts_with("exporter: ") {
                    let _ = say.send(line);
                }
            }
        });
        while said.recv().await.unwrap() != READY {}
        Process { child, said }
    }

    /// Returns when it has delivered everything, or with what keeps it from that.
    pub async fn outcome(&mut self) -> Result<(), String> {
        match self.said.recv().await.unwrap() {
            said if said == DONE => Ok(()),
            said => Err(said),
        }
    }

    /// Returns when it has delivered everything.
    pub async fn done(&mut self) {
        while self.outcome().await.is_err() {}
    }

    /// Whether it had delivered everything when it was killed.
    pub async fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Some(said) = self.said.recv().await {
            if said == DONE {
                return true;
            }
        }
        false
    }

    /// Sends it SIGSTOP or SIGCONT.
    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &self.child.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Err: it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Store {
    async fn open(&self) -> Db {
        match self {
            Store::Sqlite(path) => {
                let options = Options {
                    path: path.clone(),
                    durability: Durability::Full,
                    brake: false,
                };
                Db::open(&options, &exporter::MIGRATIONS).await.unwrap()
            }
            Store::Postgres(config) => {
                let stop = CancellationToken::new();
                Db::connect(config, &exporter::MIGRATIONS, "exporter", &stop)
                    .await
                    .unwrap()
            }
        }
    }
}

/// Works until it is killed, or until whoever started it has ended.
#[allow(clippy::print_stdout, reason = "what it says is read")]
async fn work(order: Order) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let exporter = Exporter::new(
        order.config,
        Deps {
            holder: std::process::id().to_string(),
            bus: Bus::new(
                Arc::new(Memory::new(Topology::of_pools([]))),
                Keys::generate(),
            ),
            db: order.store.open().await,
            clock: Clock::system(),
            feed: runtime::grpc::unix(Path::new(&order.feed)).await.unwrap(),
        },
    )
    .unwrap();
    let mut admin = ExporterAdminClient::new(runtime::grpc::local(exporter.admin()));
    println!("\n{READY}");
    let mut running = JoinSet::new();
    running.spawn(async move { exporter.run(CancellationToken::new()).await });
    loop {
        let sinks = admin.wait_delivered(WaitDeliveredRequest {}).await.unwrap();
        let sinks = sinks.into_inner().sinks;
        let late: Vec<_> = sinks.iter().filter(|s| !s.delivered).collect();
        match late.is_empty() {
            true => println!("{DONE}"),
            false => println!("exporter: {late:?}"),
        }
        // Whoever is elsewhere at work needs its time.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// No test: the process that is started by others.
#[test]
fn an_exporter() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Order = serde_json::from_str(&order).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work(order));
}
