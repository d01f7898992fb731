//! The four services in one process, with an embedded queue and SQLite.

use std::sync::Arc;
use std::time::Duration;

use bus::embedded::Embedded;
use bus::{Backend, Bus, Keys, Topology};
use collector::Collector;
use exporter::Exporter;
use normalizer::{AtRest, Normalizer};
use proto::admin::v1::collector_admin_server::CollectorAdminServer;
use proto::admin::v1::exporter_admin_server::ExporterAdminServer;
use proto::admin::v1::normalizer_admin_server::NormalizerAdminServer;
use proto::admin::v1::token_broker_admin_server::TokenBrokerAdminServer;
use proto::feed::v1::feed_server::FeedServer;
use runtime::db::{Db, Durability, Options as DbOptions};
use runtime::directory::DataDirectory;
use runtime::http::Outbound;
use runtime::seal::Ring;
use runtime::{CancellationToken, Clock, Problem, grpc};
use token_broker::Broker;
use token_broker::audit::{self, Audit};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::connect::Clients;

/// What a stack runs on.
#[derive(Clone)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// The way to Graph and Entra ID.
    pub http: Outbound,
    /// Tests under a paused clock: see [`runtime::db::Options::brake`].
    pub brake: bool,
    /// Wraps the queue's backend: the seam through which tests let the queue fail.
    pub decorate: Option<Decorate>,
}

/// See [`Options::decorate`].
pub type Decorate = Arc<dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend> + Send + Sync>;

impl Options {
    /// The machine's clock and the network.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn real(config: &Config) -> Result<Self, Problem> {
        Ok(Options {
            clock: Clock::system(),
            http: Outbound::open(&config.outbound)?,
            brake: false,
            decorate: None,
        })
    }
}

/// What the services keep their state in.
pub struct Parts {
    /// The collector's database.
    pub collector: Db,
    /// The ledger.
    pub normalizer: Db,
    /// The exporter's database.
    pub exporter: Db,
    /// The token-broker's store; tenants are those of the configuration without one.
    pub store: Option<token_broker::Store>,
    /// The queue.
    pub queue: Arc<dyn Backend>,
    /// The keys of its messages.
    pub keys: Keys,
    /// The keys of what the normalizer seals in its database.
    pub at_rest: Option<Arc<Ring>>,
}

/// The four services in this process: over one data directory, which they hold alone, or over [`Parts`].
pub struct Stack {
    /// Clients of every operator's service.
    pub clients: Clients,
    broker: Broker,
    collector: Collector,
    normalizer: Normalizer,
    exporter: Exporter,
    bus: Bus,
    databases: Vec<Db>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), Problem>>,
    _directory: Option<DataDirectory>,
}

impl Stack {
    /// Opens the data directory and puts the services together; nothing runs yet.
    ///
    /// # Errors
    /// When the directory is in use or damaged, or the configuration is wrong.
    pub async fn open(config: &Config, options: Options) -> Result<Self, Problem> {
        let directory = DataDirectory::lock(&config.data_dir)?;
        let mut config = config.clone();
        config.normalizer.embed(&config.data_dir)?;
        let config = &config;
        let database = async |name: &str, durability, migrations| {
            let options = DbOptions {
                path: directory.join(name),
                durability,
                brake: options.brake,
            };
            Db::open(&options, migrations).await
        };
        let collector = database("collector.db", Durability::Full, &collector::MIGRATIONS).await?;
        let normalizer =
            database("normalizer.db", Durability::Normal, &normalizer::MIGRATIONS).await?;
        let exporter = database("exporter.db", Durability::Full, &exporter::MIGRATIONS).await?;
        let store = database(
            "token-broker.db",
            Durability::Full,
            &token_broker::store::MIGRATIONS,
        );
        let key = token_broker::store::Config::embedded(directory.join("token-broker.key"))?;
        let store = token_broker::Store::new(store.await?, &key, options.clock.clone())?;
        let at_rest = AtRest::embedded(directory.join("normalizer.key"))?;
        let queue = DbOptions {
            path: directory.join("queue.db"),
            durability: Durability::Normal,
            brake: options.brake,
        };
        let pools = config
            .tenants
            .iter()
            .map(|t| t.pool.clone())
            .chain([config.collector.pool.clone()]);
        let parts = Parts {
            collector,
            normalizer,
            exporter,
            store: Some(store),
            queue: Arc::new(Embedded::open(&queue, Topology::of_pools(pools)).await?),
            keys: Keys::load_or_create(&directory.join("queue.keys"))?,
            at_rest: Some(Arc::new(at_rest.open()?)),
        };
        let stack = Self::of(config, options, parts, Some(directory))?;
        stack.broker.read_store().await?;
        Ok(stack)
    }

    /// Puts the services together over whatever databases and queue; nothing runs yet.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn over(config: &Config, options: Options, parts: Parts) -> Result<Self, Problem> {
        Self::of(config, options, parts, None)
    }

    fn of(
        config: &Config,
        options: Options,
        parts: Parts,
        directory: Option<DataDirectory>,
    ) -> Result<Self, Problem> {
        let Parts {
            collector: collector_db,
            normalizer: normalizer_db,
            exporter: exporter_db,
            store,
            queue: mut backend,
            keys,
            at_rest,
        } = parts;
        if let Some(decorate) = &options.decorate {
            backend = decorate(backend);
        }
        let bus = Bus::new(backend, keys);
        let Options {
            clock, http, brake, ..
        } = options;

        let broker = Broker::new(
            config.registry(),
            token_broker::Deps {
                http: http.whole(),
                direct: runtime::http::direct()?,
                policy_file: None,
                store,
                events: token_broker::event::Events::logged(clock.clone()),
                audit: Audit::open(
                    &audit::Config::at(config.data_dir.join("audit")),
                    clock.clone(),
                )?
                .with_brake(brake),
                clock: clock.clone(),
            },
        )?;
        let collector = Collector::new(
            config.collector(),
            collector::Deps {
                bus: bus.clone(),
                db: collector_db.clone(),
                tokens: grpc::local(broker.tokens()),
                http,
                clock: clock.clone(),
                holder: uuid::Uuid::new_v4().to_string(),
                alone: directory.is_some(),
            },
        );
        let normalizer = Normalizer::new(
            config.normalizer(),
            normalizer::Deps {
                bus: bus.clone(),
                db: normalizer_db.clone(),
                clock: clock.clone(),
                at_rest,
            },
        )?;
        let feed = grpc::local(normalizer.feed());
        let exporter = Exporter::new(
            config.exporter(),
            exporter::Deps {
                bus: bus.clone(),
                db: exporter_db.clone(),
                clock,
                feed: feed.clone(),
                holder: uuid::Uuid::new_v4().to_string(),
            },
        )?
        .with_brake(brake);
        let clients = Clients {
            token_broker: grpc::local(broker.admin()),
            collector: grpc::local(collector.admin()),
            normalizer: grpc::local(normalizer.admin()),
            exporter: grpc::local(exporter.admin()),
            feed,
        };
        Ok(Stack {
            clients,
            broker,
            collector,
            normalizer,
            exporter,
            bus,
            databases: vec![collector_db, normalizer_db, exporter_db],
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            _directory: directory,
        })
    }

    /// Lets the services work.
    pub fn start(&mut self) {
        let (collector, normalizer, exporter) = (
            self.collector.clone(),
            self.normalizer.clone(),
            self.exporter.clone(),
        );
        let stop = || self.stop.child_token();
        let (first, second, third) = (stop(), stop(), stop());
        self.tasks.spawn(async move { normalizer.run(first).await });
        self.tasks.spawn(async move { exporter.run(second).await });
        self.tasks.spawn(async move { collector.run(third).await });
        let (broker, fourth) = (self.broker.clone(), stop());
        self.tasks.spawn(async move {
            let _ = fourth.run_until_cancelled(broker.follow_store()).await;
            Ok(())
        });
    }

    /// Returns when a service ends, with the reason; never while all of them work.
    ///
    /// # Errors
    /// The reason.
    pub async fn failed(&mut self) -> Result<(), Problem> {
        match self.tasks.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(e)) => Err(Problem::new(
                "LW-4090",
                format!("a service ended abnormally: {e}."),
                "start again; report it",
            )),
            None => std::future::pending().await,
        }
    }

    /// Stops the services: what is in hand is finished or given back, then everything is closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        // What is unfinished after this comes back at the next start.
        let _ = tokio::time::timeout(Duration::from_secs(20), drained).await;
        self.tasks.shutdown().await;
        self.bus.backend().close().await;
        for database in &self.databases {
            database.close().await;
        }
    }

    /// The services that operators speak to, for a socket.
    pub fn servers(&self) -> Servers {
        Servers {
            token_broker: self.broker.admin(),
            collector: self.collector.admin(),
            normalizer: self.normalizer.admin(),
            exporter: self.exporter.admin(),
            feed: self.normalizer.feed(),
        }
    }
}

/// The services that operators speak to.
pub struct Servers {
    /// The token-broker's.
    pub token_broker: TokenBrokerAdminServer<token_broker::Admin>,
    /// The collector's.
    pub collector: CollectorAdminServer<collector::Admin>,
    /// The normalizer's.
    pub normalizer: NormalizerAdminServer<Normalizer>,
    /// The exporter's.
    pub exporter: ExporterAdminServer<exporter::Admin>,
    /// The ledger's records.
    pub feed: FeedServer<Normalizer>,
}
