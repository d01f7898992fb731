//! Puts the exporter together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bus::Bus;
use proto::admin::v1::exporter_admin_server::ExporterAdminServer;
use runtime::db::Db;
use runtime::grpc::Channel;
use runtime::{CancellationToken, Clock, Problem};
use tokio::task::JoinSet;

use crate::board::Board;
use crate::config::Config;
use crate::delivery::{Gate, Quiet, Wishes, Worker};
use crate::error::Error;
use crate::feed::Feed;
use crate::lease::Leases;
use crate::sink::{Context, Sink};
use crate::store::Store;
use crate::{announce, heads};

/// What the exporter uses.
#[derive(Clone)]
pub struct Deps {
    /// Announces closings.
    pub bus: Bus,
    /// The exporter's own database, opened with [`MIGRATIONS`](crate::MIGRATIONS).
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The normalizer's feed.
    pub feed: Channel,
    /// Names this process among those that share the database.
    pub holder: String,
}

/// The exporter. Clones are one.
#[derive(Clone)]
pub struct Exporter {
    config: Arc<Config>,
    deps: Deps,
    board: Board,
    brake: bool,
}

/// The exporter's admin service.
#[derive(Clone)]
pub struct Admin(pub(crate) Board);

impl Exporter {
    /// An exporter that works once it is [run](Exporter::run).
    ///
    /// # Errors
    /// `LW-6001` when the configuration contradicts itself.
    pub fn new(config: Config, deps: Deps) -> Result<Exporter, Problem> {
        config.check()?;
        let board = Board::new(
            config
                .sinks
                .iter()
                .map(|s| (s.name().to_owned(), s.location())),
        );
        Ok(Exporter {
            config: Arc::new(config),
            deps,
            board,
            brake: false,
        })
    }

    /// For tests under tokio's paused clock: the databases of sinks keep it from advancing while they work, as
    /// [`runtime::db::Options::brake`] says.
    #[must_use]
    pub fn with_brake(self, brake: bool) -> Exporter {
        Exporter { brake, ..self }
    }

    /// The admin service, for a gRPC server or a local channel.
    pub fn admin(&self) -> ExporterAdminServer<Admin> {
        ExporterAdminServer::new(Admin(self.board.clone()))
    }

    /// Delivers until `stop`.
    ///
    /// # Errors
    /// When the queue is closed, or a part of the exporter ends by itself. A sink that fails is no error.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Problem> {
        let stop = stop.child_token();
        let feed = Feed::new(self.deps.feed.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(announce::run(
            self.deps.bus.clone(),
            self.board.clone(),
            stop.clone(),
        ));
        tasks.spawn(heads::run(
            self.board.clone(),
            feed.clone(),
            self.config.poll,
            stop.clone(),
        ));
        for (number, config) in self.config.sinks.iter().enumerate() {
            let context = Context {
                name: config.name().to_owned(),
                brake: self.brake,
                clock: self.deps.clock.clone(),
            };
            let sink = config.target.sink(&context)?;
            let limits = match &sink {
                Sink::Changes(sink) => Some(sink.limits()),
                Sink::Snapshots(_) | Sink::Rows(_) => None,
            };
            let worker = Worker {
                board: self.board.clone(),
                feed: feed.clone(),
                store: Store::new(self.deps.db.clone()),
                clock: self.deps.clock.clone(),
                config: config.clone(),
                sink,
                number,
                tries: BTreeMap::new(),
                checked: BTreeMap::new(),
                quiet: Quiet::default(),
                leases: Leases {
                    db: self.deps.db.clone(),
                    holder: self.deps.holder.clone(),
                    clock: self.deps.clock.clone(),
                    lasts: self.config.lease,
                },
                others: BTreeSet::new(),
                gate: Gate::new(config.name(), limits),
                wishes: Wishes::default(),
                expired: None,
            };
            tasks.spawn(worker.run(stop.clone()));
        }
        // The first one that ends ends all.
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            stop.cancel();
            let ended = ended.unwrap_or_else(|e| Err(Error::Task(e).into()));
            outcome = outcome.and(ended);
        }
        self.board.close();
        outcome
    }
}
