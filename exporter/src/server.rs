//! The exporter as a process: its configuration, and what it is wired to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::amqp::{self, Amqp};
use bus::{Bus, Keys, Topology};
use proto::access::METHODS;
use proto::message::Queue;
use runtime::db::{self, Db};
use runtime::grpc::{Admin, Listen, Remote, connect};
use runtime::process::{Http, Process, Sections, Service, default_grace};
use runtime::tls::{self, Identity};
use runtime::{Problem, config};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use crate::{Config, Deps, Exporter, MIGRATIONS, SinkConfig};

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
    /// The keys that messages are sealed with: that of closings is enough.
    pub queue_keys_file: PathBuf,
    /// How often the heads of all ledgers are asked for: announcements may get lost.
    #[serde(default = "default_poll")]
    pub poll_seconds: u64,
    /// How long a lease on a sink lasts without a heartbeat; then another exporter takes over.
    #[serde(default = "default_lease")]
    pub lease_seconds: u64,
    /// Where the inventory goes.
    #[serde(default)]
    pub sinks: Vec<SinkConfig>,
    /// Whose feed it follows: one normalizer or several, which are replicas.
    pub normalizer: Remote,
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
    /// Operators and their roles.
    #[serde(default)]
    pub admin: Admin,
}

fn default_poll() -> u64 {
    Config::default().poll.as_secs()
}

fn default_lease() -> u64 {
    Config::default().lease.as_secs()
}

impl Settings {
    fn exporter(&self) -> Config {
        Config {
            sinks: self.sinks.clone(),
            poll: Duration::from_secs(self.poll_seconds),
            lease: Duration::from_secs(self.lease_seconds.max(3)),
        }
    }
}

impl config::Settings for Settings {
    fn resolve(&mut self, base: &Path) {
        config::below(base, &mut self.queue_keys_file);
        for sink in &mut self.sinks {
            sink.resolve(base);
        }
        self.bus.resolve(base);
        self.db.resolve(base);
        self.telemetry.resolve(base);
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        self.bus.check()?;
        self.db.check()?;
        self.normalizer.check(self.tls.as_ref())?;
        self.exporter().check()?;
        Ok(vec![
            format!("{} sinks", self.sinks.len()),
            format!("normalizer at {}", self.normalizer.endpoint.join(", ")),
        ])
    }

    fn inspect(&self) -> Result<Vec<String>, Problem> {
        Keys::load(&self.queue_keys_file)?;
        let keys = self.queue_keys_file.display();
        Ok(vec![format!("keys of the queue in {keys}")])
    }
}

impl Service for Settings {
    const NAME: &'static str = "exporter";
    const ABOUT: &'static str = "Brings every change of the ledger into the inventory systems";

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
        let server = self.sections().server().await?;
        let access = self.sections().access(METHODS.iter().copied());
        let feed = connect("normalizer", &self.normalizer, self.tls.as_ref())?;
        let config = self.exporter();
        let keys = Keys::load(&self.queue_keys_file)?;
        let queue = Arc::new(Amqp::connect(self.bus, Topology::new([Queue::Closing])).await?);
        let db = process.database(&self.db, &MIGRATIONS, Self::NAME).await?;
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.ready());
        process.health.check("queue", check);
        let ready = Arc::clone(&queue);
        let check = move || std::future::ready(ready.consuming());
        process.health.check("consumers", check);
        let bus = Bus::new(queue, keys);
        let exporter = Exporter::new(
            config,
            Deps {
                bus: bus.clone(),
                db: db.clone(),
                clock: process.clock.clone(),
                feed,
                holder: uuid::Uuid::new_v4().to_string(),
            },
        )?;
        let routes = Routes::new(exporter.admin());
        let stop = process.stop.child_token();
        let work = async move { exporter.run(stop).await };
        let ended = process.work(server, routes, access, work).await;
        bus.backend().close().await;
        db.close().await;
        ended
    }
}
