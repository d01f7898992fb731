//! Puts the exporter together.

use std::collections::{BTreeMap, BTreeSet};

use bus::Bus;
use proto::admin::v1::exporter_admin_server::ExporterAdminServer;
use runtime::db::Db;
use runtime::grpc::Channel;
use runtime::{CancellationToken, Clock, Problem};
use tokio::task::JoinSet;

use crate::board::Board;
use crate::config::Config;
use crate::delivery::{Quiet, Wishes, Worker};
use crate::desk::{Desk, Ready};
use crate::error::Error;
use crate::lease::Leases;
use crate::{announce, expiry, heads, shown};

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
    deps: Deps,
    desk: Desk,
}

/// The exporter's admin service.
#[derive(Clone)]
pub struct Admin(pub(crate) Desk);

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
        let desk = Desk::new(config, board, &deps);
        Ok(Exporter { deps, desk })
    }

    /// For tests under tokio's paused clock: the databases of sinks keep it from advancing while they work, as
    /// [`runtime::db::Options::brake`] says.
    #[must_use]
    pub fn with_brake(self, brake: bool) -> Exporter {
        Exporter {
            deps: self.deps,
            desk: self.desk.with_brake(brake),
        }
    }

    /// The admin service, for a gRPC server or a local channel.
    pub fn admin(&self) -> ExporterAdminServer<Admin> {
        ExporterAdminServer::new(Admin(self.desk.clone()))
    }

    /// Delivers until `stop`.
    ///
    /// # Errors
    /// When the queue is closed, or a part of the exporter ends by itself. A sink that fails is no error.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Problem> {
        let stop = stop.child_token();
        let Desk {
            config,
            board,
            feed,
            store,
            ..
        } = &self.desk;
        let mut tasks = JoinSet::new();
        tasks.spawn(announce::run(
            self.deps.bus.clone(),
            board.clone(),
            stop.clone(),
        ));
        tasks.spawn(heads::run(
            board.clone(),
            feed.clone(),
            config.poll,
            stop.clone(),
        ));
        tasks.spawn(expiry::watch(
            config.sinks.clone(),
            self.deps.clock.clone(),
            stop.clone(),
        ));
        let (shown, clock, stopped) = (board.clone(), self.deps.clock.clone(), stop.clone());
        tasks.spawn(async move {
            shown::show(&shown, &clock, &stopped).await;
            Ok(())
        });
        let ready = self.desk.ready()?;
        for (number, (sink_config, Ready { sink, gate })) in
            config.sinks.iter().zip(ready).enumerate()
        {
            let worker = Worker {
                board: board.clone(),
                feed: feed.clone(),
                store: store.clone(),
                clock: self.deps.clock.clone(),
                config: sink_config.clone(),
                sink: sink.clone(),
                number,
                tries: BTreeMap::new(),
                checked: BTreeMap::new(),
                quiet: Quiet::default(),
                leases: Leases {
                    db: self.deps.db.clone(),
                    holder: self.deps.holder.clone(),
                    clock: self.deps.clock.clone(),
                    lasts: config.lease,
                },
                others: BTreeSet::new(),
                gate: gate.clone(),
                wishes: Wishes::default(),
                expired: None,
                counted: None,
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
        board.close();
        outcome
    }
}
