//! The normalizer: takes pages and seals from the queue, keeps the ledger of every tenant, derives licence positions
//! and findings, and serves the feed that sinks are filled from.
//!
//! It knows nothing of Microsoft Graph's protocol, tokens or sinks. Entry point: [`Normalizer`].

mod admin;
mod aside;
mod called;
pub mod config;
mod error;
mod feed;
pub mod finding;
mod history;
mod inbox;
mod intake;
pub mod ledger;
pub mod map;
pub mod names;
mod outbox;
pub mod position;
mod privacy;
mod reconcile;
mod retention;
mod run;
#[cfg(feature = "server")]
pub mod server;
mod shown;
mod snapshot;
mod store;
mod trouble;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bus::Bus;
use proto::ids::Timestamp;
use runtime::db::{Db, Migrations};
use runtime::seal::Ring;
use runtime::{Clock, Problem};
use tokio::sync::Notify;

use names::Names;
use privacy::keys::Keys;

pub use aside::source::AtRest;
pub use config::Config;
pub use error::Error;

/// The ledger's tables.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        (1, include_str!("../migrations/sqlite/0001_ledger.sql")),
        (2, include_str!("../migrations/sqlite/0002_asked.sql")),
        (3, include_str!("../migrations/sqlite/0003_findings.sql")),
        (4, include_str!("../migrations/sqlite/0004_aside.sql")),
        (5, include_str!("../migrations/sqlite/0005_privacy.sql")),
        (6, include_str!("../migrations/sqlite/0006_history.sql")),
        (
            7,
            include_str!("../migrations/sqlite/0007_reconciliation.sql"),
        ),
        (8, include_str!("../migrations/sqlite/0008_counted.sql")),
    ],
    // PostgreSQL came with version 2.
    postgres: &[
        (2, include_str!("../migrations/postgres/0002_ledger.sql")),
        (3, include_str!("../migrations/postgres/0003_findings.sql")),
        (4, include_str!("../migrations/postgres/0004_aside.sql")),
        (5, include_str!("../migrations/postgres/0005_privacy.sql")),
        (6, include_str!("../migrations/postgres/0006_history.sql")),
        (
            7,
            include_str!("../migrations/postgres/0007_reconciliation.sql"),
        ),
        (
            8,
            include_str!("../migrations/postgres/0008_partitions.sql"),
        ),
    ],
    additions: &[],
};

/// What the normalizer works with.
#[derive(Clone)]
pub struct Deps {
    /// Pages and seals come from it, verdicts and closings go to it.
    pub bus: Bus,
    /// The ledger, opened with [`MIGRATIONS`].
    pub db: Db,
    /// Tells the time.
    pub clock: Clock,
    /// The keys that sources of set-aside objects are sealed with, from [`AtRest`]; without them only reasons are kept.
    pub at_rest: Option<Arc<Ring>>,
}

/// The normalizer; clones are one.
#[derive(Clone)]
pub struct Normalizer(Arc<Inner>);

struct Inner {
    config: Config,
    names: Names,
    keys: Keys,
    bus: Bus,
    db: Db,
    clock: Clock,
    at_rest: Option<Arc<Ring>>,
    /// Datasets (by tenant) of which a page or a seal came: a run may have become whole.
    arrived: Mutex<BTreeMap<(i64, String), Option<String>>>,
    /// What can't be applied at present.
    troubles: Mutex<trouble::Troubles>,
    /// Closings (rows of the table) that this process has to publish.
    unpublished: Mutex<BTreeMap<i64, Option<String>>>,
    apply: Notify,
    publish: Notify,
}

impl Normalizer {
    /// A normalizer; nothing happens before [`Normalizer::run`].
    ///
    /// # Errors
    /// When a file that the configuration names can't be used.
    pub fn new(config: Config, deps: Deps) -> Result<Normalizer, Problem> {
        let names = Names::load(config.names.as_ref())?;
        let keys = Keys::open(&config)?;
        let Deps {
            bus,
            db,
            clock,
            at_rest,
        } = deps;
        let (arrived, troubles) = (Mutex::default(), Mutex::default());
        let unpublished = Mutex::default();
        let (apply, publish) = (Notify::new(), Notify::new());
        Ok(Normalizer(Arc::new(Inner {
            config,
            names,
            keys,
            bus,
            db,
            clock,
            at_rest,
            arrived,
            troubles,
            unpublished,
            apply,
            publish,
        })))
    }

    /// The feed's server.
    pub fn feed(&self) -> proto::feed::v1::feed_server::FeedServer<Normalizer> {
        proto::feed::v1::feed_server::FeedServer::new(self.clone())
    }

    /// The operators' server.
    pub fn admin(
        &self,
    ) -> proto::admin::v1::normalizer_admin_server::NormalizerAdminServer<Normalizer> {
        proto::admin::v1::normalizer_admin_server::NormalizerAdminServer::new(self.clone())
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.clock.micros())
    }
}
