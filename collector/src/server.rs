//! The collector as a process: its configuration, and what it is wired to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::amqp::{self, Amqp};
use bus::{Bus, Keys, Topology};
use catalog::Privacy;
use proto::access::METHODS;
use proto::message::Queue;
use runtime::db::{self, Db};
use runtime::grpc::{Admin, Listen, Remote, connect};
use runtime::http::Outbound;
use runtime::process::{Http, Process, Sections, Service, default_grace};
use runtime::tls::{self, Identity};
use runtime::{Problem, config};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use crate::{Collector, Config, Deps, MIGRATIONS};

/// The configuration of the process.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long what is in hand may take at the end.
    #[serde(default = "default_grace")]
    pub shutdown_grace_seconds: u64,
    /// Services that may call it; none needs to.
    #[serde(default)]
    pub callers: Vec<Identity>,
    /// The keys that messages are sealed with: of this pool.
    pub queue_keys_file: PathBuf,
    /// What it does.
    #[serde(default)]
    pub collector: Config,
    /// Who hands out tokens.
    pub token_broker: Remote,
    /// What is left out of what is read; the same as the normalizer's.
    #[serde(default)]
    pub privacy: Privacy,
    /// The queue.
    pub bus: amqp::Config,
    /// The database.
    pub db: db::Config,
    /// Where operators reach it.
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
    /// How Microsoft Graph is called.
    #[serde(default)]
    pub outbound: runtime::http::Config,
    /// Operators and their roles.
    #[serde(default)]
    pub admin: Admin,
}

impl config::Settings for Settings {
    fn resolve(&mut self, base: &Path) {
        config::below(base, &mut self.queue_keys_file);
        self.bus.resolve(base);
        self.db.resolve(base);
        self.outbound.resolve(base);
        self.telemetry.resolve(base);
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        self.collector().check()?;
        self.bus.check()?;
        self.db.check()?;
        self.outbound.check()?;
        self.token_broker.check(self.tls.as_ref())?;
        Ok(vec![
            format!("pool {}", self.collector.pool),
            format!("token-broker at {}", self.token_broker.endpoint.join(", ")),
        ])
    }

    fn inspect(&self) -> Result<Vec<String>, Problem> {
        Keys::load(&self.queue_keys_file)?;
        let keys = self.queue_keys_file.display();
        Ok(vec![format!("keys of the queue in {keys}")])
    }
}

impl Settings {
    fn collector(&self) -> Config {
        Config {
            privacy: self.privacy.clone(),
            ..self.collector.clone()
        }
    }
}

impl Service for Settings {
    const NAME: &'static str = "collector";
    const ABOUT: &'static str =
        "Reads Microsoft Graph for the tenants of a pool and publishes what it reads";

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
        let (server, config) = (self.sections().server().await?, self.collector());
        let access = self.sections().access(METHODS.iter().copied());
        let tokens = connect("token-broker", &self.token_broker, self.tls.as_ref())?;
        let keys = Keys::load(&self.queue_keys_file)?;
        let queues = [
            Queue::PageFull,
            Queue::PageSome,
            Queue::Seal,
            Queue::Verdict(config.pool.clone()),
        ];
        let queue = Arc::new(Amqp::connect(self.bus, Topology::new(queues)).await?);
        let db = process.database(&self.db, &MIGRATIONS, Self::NAME).await?;
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.ready());
        process.health.check("queue", check);
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.consuming());
        process.health.check("consumers", check);
        let bus = Bus::new(queue, keys);
        let collector = Collector::new(
            config,
            Deps {
                bus: bus.clone(),
                db: db.clone(),
                tokens,
                http: Outbound::open(&self.outbound)?,
                clock: process.clock.clone(),
                holder: uuid::Uuid::new_v4().to_string(),
                alone: false,
            },
        );
        let routes = Routes::new(collector.admin());
        let stop = process.stop.child_token();
        let work = async move { collector.run(stop).await };
        let ended = process.work(server, routes, access, work).await;
        bus.backend().close().await;
        db.close().await;
        ended
    }
}
