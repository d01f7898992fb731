//! The normalizer as a process: its configuration, and what it is wired to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::amqp::{self, Amqp};
use bus::{Bus, Keys, Topology};
use catalog::Privacy;
use proto::access::METHODS;
use proto::ids::Pool;
use runtime::db::{self, Db};
use runtime::grpc::{Admin, Listen};
use runtime::process::{Http, Process, Sections, Service, default_grace};
use runtime::tls::{self, Identity};
use runtime::{Problem, config};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use crate::{AtRest, Config, Deps, MIGRATIONS, Normalizer};

/// The configuration of the process.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long what is in hand may take at the end.
    #[serde(default = "default_grace")]
    pub shutdown_grace_seconds: u64,
    /// The exporters that may follow the feed.
    #[serde(default)]
    pub callers: Vec<Identity>,
    /// The keys that messages are sealed with: of all pools.
    pub queue_keys_file: PathBuf,
    /// The pools of collectors: each has a queue for verdicts.
    #[serde(default = "default_pools")]
    pub pools: Vec<Pool>,
    /// The key of what is sealed in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_rest: Option<AtRest>,
    /// What it does.
    #[serde(default)]
    pub normalizer: Config,
    /// What is left out of records or replaced; the same as the collectors'.
    #[serde(default)]
    pub privacy: Privacy,
    /// The queue.
    pub bus: amqp::Config,
    /// The database.
    pub db: db::Config,
    /// Where exporters and operators reach it.
    pub grpc: Listen,
    /// Certificates; without them everything is plain text on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<tls::Config>,
    /// Metrics and health.
    #[serde(default)]
    pub http: Http,
    /// Where traces and metrics are sent to.
    #[serde(default)]
    pub telemetry: runtime::telemetry::Config,
    /// Operators and their roles.
    #[serde(default)]
    pub admin: Admin,
}

fn default_pools() -> Vec<Pool> {
    "default".parse().into_iter().collect()
}

impl config::Settings for Settings {
    fn resolve(&mut self, base: &Path) {
        config::below(base, &mut self.queue_keys_file);
        if let Some(at_rest) = &mut self.at_rest {
            at_rest.resolve(base);
        }
        self.bus.resolve(base);
        self.db.resolve(base);
        self.normalizer.resolve(base);
        self.telemetry.resolve(base);
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        self.normalizer().check()?;
        self.bus.check()?;
        self.db.check()?;
        let pools: Vec<_> = self.pools.iter().map(Pool::as_str).collect();
        Ok(vec![
            format!("pools {}", pools.join(", ")),
            format!("{} callers may follow the feed", self.callers.len()),
        ])
    }

    fn inspect(&self) -> Result<Vec<String>, Problem> {
        Keys::load(&self.queue_keys_file)?;
        let keys = self.queue_keys_file.display();
        let at_rest = match &self.at_rest {
            Some(at_rest) => {
                at_rest.open()?;
                "the key of set-aside objects can be used"
            }
            None => "without [at_rest] only reasons of set-aside objects are kept",
        };
        let mut fine = vec![format!("keys of the queue in {keys}"), at_rest.to_owned()];
        fine.extend(self.normalizer().inspect()?);
        Ok(fine)
    }
}

impl Settings {
    fn normalizer(&self) -> Config {
        Config {
            privacy: self.privacy.clone(),
            ..self.normalizer.clone()
        }
    }
}

impl Service for Settings {
    const NAME: &'static str = "normalizer";
    const ABOUT: &'static str = "Keeps the ledger of every tenant, derives licence positions and findings, and serves the feed of changes";

    fn sections(&self) -> Sections<'_> {
        Sections {
            http: &self.http,
            telemetry: &self.telemetry,
            grpc: &self.grpc,
            tls: self.tls.as_ref(),
            callers: &self.callers,
            admin: &self.admin,
            grace: Duration::from_secs(self.shutdown_grace_seconds),
        }
    }

    async fn migrate(&self) -> Result<(), Problem> {
        Db::migrate(&self.db, &MIGRATIONS, Self::NAME).await
    }

    async fn run(self, process: Process) -> Result<(), Problem> {
        let (server, config) = (self.sections().server().await?, self.normalizer());
        let access = self.sections().access(METHODS.iter().copied());
        let keys = Keys::load(&self.queue_keys_file)?;
        let at_rest = self.at_rest.as_ref().map(AtRest::open).transpose()?;
        let queue = Arc::new(Amqp::connect(self.bus, Topology::of_pools(self.pools)).await?);
        let db = process.database(&self.db, &MIGRATIONS, Self::NAME).await?;
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.ready());
        process.health.check("queue", check);
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.consuming());
        process.health.check("consumers", check);
        let bus = Bus::new(queue, keys);
        let normalizer = Normalizer::new(
            config,
            Deps {
                bus: bus.clone(),
                db: db.clone(),
                clock: process.clock.clone(),
                at_rest: at_rest.map(Arc::new),
            },
        )?;
        let routes = Routes::new(normalizer.admin()).add_service(normalizer.feed());
        let stop = process.stop.child_token();
        let work = async move { normalizer.run(stop).await };
        let ended = process.work(server, routes, access, work).await;
        bus.backend().close().await;
        db.close().await;
        ended
    }
}
