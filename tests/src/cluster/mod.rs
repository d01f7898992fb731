//! The four services as processes, each in several replicas, over a real RabbitMQ and a real PostgreSQL with proxies
//! between.
#![allow(clippy::unwrap_used, reason = "a test's support")]

mod config;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, anyhow};
use bus::Topology;
use leastwise::Clients;
use runtime::db::{self, Db};
use runtime::grpc;
use servers::{Postgres, Proxy, RabbitMq};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub use config::Tuning;

/// The services, in the order in which they are started.
pub const SERVICES: [&str; 4] = ["token-broker", "collector", "normalizer", "exporter"];
/// Those with a database and a connection to the queue.
pub const STATEFUL: [&str; 3] = ["collector", "normalizer", "exporter"];

/// The servers, which outlive installations.
pub struct Servers {
    /// PostgreSQL, with a migrated template for each service.
    pub postgres: Postgres,
    /// RabbitMQ, with the queues of one pool.
    pub rabbit: RabbitMq,
    home: tempfile::TempDir,
}

impl Servers {
    /// Starts them.
    pub fn start() -> Result<Servers> {
        let home = tempfile::tempdir()?;
        let postgres = Postgres::start(&servers::postgres::Options {
            // Four replicas of each service, with all their pools.
            max_connections: Some(200),
            ..servers::postgres::Options::default()
        })?;
        let definitions = bus::amqp::definitions(&topology(), "/", &[]);
        let rabbit = RabbitMq::start(&servers::rabbitmq::Options {
            definitions: Some(definitions),
            ..Default::default()
        })?;
        let servers = Servers {
            postgres,
            rabbit,
            home,
        };
        std::fs::write(servers.password(), servers.postgres.password())?;
        std::fs::write(servers.guest(), "guest")?;
        for file in [servers.password(), servers.guest()] {
            private(&file)?;
        }
        for service in STATEFUL {
            servers.postgres.create_database(&template(service))?;
        }
        servers.migrate()?;
        Ok(servers)
    }

    /// Brings the templates to this release's format.
    fn migrate(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = [
            &collector::MIGRATIONS,
            &normalizer::MIGRATIONS,
            &exporter::MIGRATIONS,
        ];
        for (service, migrations) in STATEFUL.into_iter().zip(all) {
            let url = format!(
                "postgres://postgres@127.0.0.1:{}/{}",
                self.postgres.port(),
                template(service)
            );
            let mut config = db::Config::new(url);
            config.password_file = Some(self.password());
            let migrated = runtime.block_on(Db::migrate(&config, migrations, service));
            migrated.map_err(|e| anyhow!("{e}"))?;
        }
        Ok(())
    }

    /// A new database of a service.
    pub fn create_database(&self, service: &str, name: &str) -> Result<()> {
        self.postgres.create_database_from(&template(service), name)
    }

    /// The file with the superuser's password.
    pub fn password(&self) -> PathBuf {
        self.home.path().join("postgres-password")
    }

    /// The file with the password of RabbitMQ's account.
    pub fn guest(&self) -> PathBuf {
        self.home.path().join("guest-password")
    }

    /// Declares every queue that is missing.
    pub fn declare(&self) -> Result<()> {
        patiently(|| {
            let import = "rabbit_definitions:maybe_load_definitions().";
            self.rabbit.eval(import).map(drop)
        })
    }

    /// Deletes every queue with what is in it.
    pub fn delete_queues(&self) -> Result<()> {
        let mut queues = topology().queues.into_iter();
        queues.try_for_each(|queue| patiently(|| self.rabbit.delete_queue("/", &queue.to_string())))
    }
}

/// A node that has just started takes orders a moment later than messages.
fn patiently(order: impl Fn() -> Result<()>) -> Result<()> {
    let limit = std::time::Duration::from_secs(10);
    match servers::wait_until("RabbitMQ takes orders", limit, || Ok(order().is_ok())) {
        Ok(()) => Ok(()),
        Err(_) => order(),
    }
}

/// The queues of an installation with one pool.
pub fn topology() -> Topology {
    Topology::of_pools(["default".parse().unwrap()])
}

fn template(service: &str) -> String {
    format!("template_{service}")
}

pub(crate) fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o600),
    )?)
}

/// A program of this workspace, built before.
pub fn program(name: &str) -> Command {
    let me = std::env::current_exe().unwrap();
    let here = me.parent().unwrap();
    let profile = if here.ends_with("deps") {
        here.parent().unwrap()
    } else {
        here
    };
    let mut command = Command::new(profile.join(name));
    command.env_remove("LEASTWISE_LOG");
    command
}

/// An installation.
pub struct Cluster {
    /// Its replicas, by service.
    pub replicas: BTreeMap<&'static str, Vec<Replica>>,
    /// What stands between each service and what it talks to.
    pub proxies: BTreeMap<&'static str, Vec<Proxy>>,
    /// Where its files are.
    pub home: tempfile::TempDir,
    names: BTreeMap<&'static str, String>,
    pools: BTreeMap<&'static str, PgPool>,
    tuning: Tuning,
}

/// A process of a service.
pub struct Replica {
    service: &'static str,
    config: PathBuf,
    log: PathBuf,
    /// Where it listens.
    pub grpc: u16,
    /// Where its page is.
    pub http: u16,
    environment: Vec<(String, String)>,
    /// Where the older release's program is, and whether that one is started.
    older: Option<PathBuf>,
    is_older: bool,
    child: Option<Child>,
}

impl Cluster {
    /// Databases of its own on these servers, and `count` replicas of each service that read the tenants of a
    /// simulator; started.
    pub fn start(
        servers: &Servers,
        tenants: &[graph_sim::TenantInfo],
        tuning: Tuning,
    ) -> Result<Cluster> {
        let home = tempfile::tempdir()?;
        let id = format!("{:x}", fastrand::u64(..));
        let mut names = BTreeMap::new();
        for service in STATEFUL {
            let name = format!("{service}_{id}");
            match &tuning.older {
                None => servers.create_database(service, &name)?,
                Some(_) => servers.postgres.create_database(&name)?,
            }
            names.insert(service, name);
        }
        let sink = format!("sink_{id}");
        servers.postgres.create_database(&sink)?;
        names.insert("sink", sink);
        let mut pools = BTreeMap::new();
        for (service, name) in &names {
            let pool = PgPoolOptions::new()
                .max_connections(2)
                .acquire_timeout(std::time::Duration::from_secs(10))
                .connect_lazy(&servers.postgres.url(name, "postgres"))?;
            pools.insert(*service, pool);
        }
        let mut cluster = Cluster {
            replicas: BTreeMap::new(),
            proxies: BTreeMap::new(),
            home,
            names,
            pools,
            tuning,
        };
        config::write(&mut cluster, servers, tenants)?;
        if cluster.tuning.older.is_some() {
            STATEFUL
                .iter()
                .try_for_each(|service| cluster.replicas[service][0].migrate())?;
        }
        for service in SERVICES {
            cluster.start_all(service)?;
        }
        Ok(cluster)
    }

    /// A connection of the superuser to the database of a service, or to the PostgreSQL sink's.
    pub fn pool(&self, name: &str) -> &PgPool {
        &self.pools[name]
    }

    /// The time by the server's clock, in microseconds since 1970.
    pub async fn now(&self) -> Result<i64> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        Ok(sqlx::query_scalar(sql)
            .fetch_one(self.pool("normalizer"))
            .await?)
    }

    /// The name of the database of a service.
    pub fn database(&self, service: &str) -> &str {
        &self.names[service]
    }

    /// Brings the database of a service to this release's format.
    pub fn migrate(&mut self, service: &'static str) -> Result<()> {
        let replica = &mut self.of(service)[0];
        let was = std::mem::replace(&mut replica.is_older, false);
        let migrated = replica.migrate();
        replica.is_older = was;
        migrated
    }

    /// Starts every replica of a service that doesn't run.
    pub fn start_all(&mut self, service: &str) -> Result<()> {
        self.of(service).iter_mut().try_for_each(Replica::start)
    }

    /// Kills every replica of a service.
    pub fn kill_all(&mut self, service: &str) {
        self.of(service).iter_mut().for_each(Replica::kill);
    }

    /// The replicas of a service.
    pub fn of(&mut self, service: &str) -> &mut Vec<Replica> {
        self.replicas.get_mut(service).unwrap()
    }

    /// Processes that ended by themselves, with the end of their logs.
    pub fn dead(&mut self) -> Vec<String> {
        let all = self.replicas.values_mut().flatten();
        all.filter_map(Replica::died).collect()
    }

    /// Channels to the operators' services of one replica of each.
    pub fn clients(&self, n: usize) -> Result<Clients> {
        let channel = |service: &'static str| {
            let replicas = &self.replicas[service];
            let remote = grpc::Remote {
                endpoint: vec![format!(
                    "http://127.0.0.1:{}",
                    replicas[n % replicas.len()].grpc
                )],
                identity: None,
            };
            grpc::connect(service, &remote, None).context("connect to a service")
        };
        Ok(Clients {
            token_broker: channel("token-broker")?,
            collector: channel("collector")?,
            normalizer: channel("normalizer")?,
            exporter: channel("exporter")?,
            feed: channel("normalizer")?,
        })
    }

    /// The directory of the files sink.
    pub fn files(&self) -> PathBuf {
        self.home.path().join("inventory")
    }

    /// Pages that reached a normalizer when a newer run was applied already, by its log: tenant, dataset, run, attempt and
    /// sequence.
    pub fn overtaken(&self) -> Result<BTreeSet<String>> {
        let mut pages = BTreeSet::new();
        for n in 0..self.replicas["normalizer"].len() {
            let log = self.home.path().join(format!("normalizer-{n}.log"));
            for line in std::fs::read_to_string(log)?.lines() {
                let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
                    continue;
                };
                if line["message"] == "a page came too late" {
                    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                    let number = |key: &str| line[key].as_u64().unwrap_or_default();
                    pages.insert(format!(
                        "{} {} {} {} {}",
                        text("tenant"),
                        text("dataset"),
                        number("run"),
                        number("attempt"),
                        number("sequence")
                    ));
                }
            }
        }
        Ok(pages)
    }

    /// The file of the SQLite sink.
    pub fn sqlite(&self) -> PathBuf {
        self.home.path().join("inventory.db")
    }

    /// Ends it and leaves its files where they are.
    pub fn keep(self) -> PathBuf {
        let Cluster { home, .. } = self;
        home.keep()
    }
}

impl Replica {
    /// Starts it, if it doesn't run.
    pub fn start(&mut self) -> Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = self
            .program()
            .arg("--config")
            .arg(&self.config)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        self.child = Some(child.with_context(|| format!("start {}", self.service))?);
        Ok(())
    }

    /// Starts the older release from now on, or this one.
    pub fn older(&mut self, older: bool) {
        self.is_older = older;
    }

    fn program(&self) -> Command {
        match self.older.as_ref().filter(|_| self.is_older) {
            None => program(self.service),
            Some(older) => {
                let mut command = Command::new(older.join(self.service));
                command.env_remove("LEASTWISE_LOG");
                command
            }
        }
    }

    fn migrate(&self) -> Result<()> {
        let mut migrate = self.program();
        let done = migrate
            .arg("migrate")
            .arg("--config")
            .arg(&self.config)
            .output();
        let done = done.with_context(|| format!("start {} migrate", self.service))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            anyhow::bail!("{} migrate: {said}", self.service);
        }
        Ok(())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it has ended, whatever for; then it can be started again.
    pub fn has_ended(&mut self) -> bool {
        let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if self.child.as_mut().is_some_and(running) {
            return false;
        }
        self.child = None;
        true
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let _ = Command::new("kill")
                .args([&format!("-{name}"), &child.id().to_string()])
                .status();
        }
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of what it has written.
    pub fn log_end(&self, lines: usize) -> String {
        let log = self.log();
        let mut end: Vec<&str> = log.lines().rev().take(lines).collect();
        end.reverse();
        format!("{}:\n  {}", self.service, end.join("\n  "))
    }

    fn died(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        let log = self.log();
        let end: Vec<&str> = log.lines().rev().take(5).collect();
        Some(format!(
            "{} ended by itself ({status}): {}",
            self.service,
            end.join("\n  ")
        ))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}
