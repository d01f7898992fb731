//! What a world's services keep their state in: one directory, or real servers.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bus::Keys;
use bus::amqp::{self, Amqp};
use leastwise::{Config, Options, Parts, Stack};
use runtime::db::{self, Db, Migrations};
use runtime::{CancellationToken, Problem};

use crate::cluster::{Servers, topology};

/// Which of the product's two settings a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// One process, SQLite and the embedded queue.
    Embedded,
    /// PostgreSQL and RabbitMQ.
    Distributed,
}

/// See the [module](self).
pub(crate) enum Ground {
    Directory,
    Servers(Box<Real>),
}

/// Servers of this world's own, with a database for each service.
pub(crate) struct Real {
    servers: Servers,
    saved: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// The files that a service's database, or the queue, consists of.
fn files(dir: &Path, name: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let of_it = |f: &PathBuf| {
        let file = f.file_name().unwrap().to_string_lossy();
        file.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(".db"))
    };
    all.filter(of_it).collect()
}

/// Copies a database that nobody has open, in place of what is there.
fn copy(from: &Path, to: &Path, name: &str) {
    std::fs::create_dir_all(to).unwrap();
    for old in files(to, name) {
        std::fs::remove_file(old).unwrap();
    }
    for file in files(from, name) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

impl Ground {
    pub fn new(setting: Setting, home: &Path) -> Ground {
        match setting {
            Setting::Embedded => Ground::Directory,
            Setting::Distributed => {
                Keys::load_or_create(&home.join("queue.keys")).unwrap();
                let servers = Servers::start().unwrap();
                for service in crate::cluster::STATEFUL {
                    servers.create_database(service, service).unwrap();
                }
                Ground::Servers(Box::new(Real {
                    servers,
                    saved: Mutex::default(),
                }))
            }
        }
    }

    pub async fn open(&self, config: &Config, options: Options) -> Result<Stack, Problem> {
        match self {
            Ground::Directory => Stack::open(config, options).await,
            Ground::Servers(real) => {
                let home = config.data_dir.parent().unwrap();
                Stack::over(config, options, real.parts(&home.join("queue.keys")).await?)
            }
        }
    }

    pub fn save(&self, name: &str, data: &Path) {
        match self {
            Ground::Directory => copy(data, &data.join("../saved"), name),
            // Whatever it held when it was saved has long been consumed: an empty one is what a restore makes of it.
            Ground::Servers(_) if name == "queue" => {}
            Ground::Servers(real) => {
                let dump = real.servers.postgres.dump(name).unwrap();
                real.saved.lock().unwrap().insert(name.to_owned(), dump);
            }
        }
    }

    pub fn restore(&self, name: &str, data: &Path) {
        match self {
            Ground::Directory => copy(&data.join("../saved"), data, name),
            Ground::Servers(real) if name == "queue" => {
                real.servers.delete_queues().unwrap();
                real.servers.declare().unwrap();
            }
            Ground::Servers(real) => {
                let dump = &real.saved.lock().unwrap()[name];
                real.servers.postgres.restore(name, dump).unwrap();
            }
        }
    }
}

impl Real {
    async fn parts(&self, keys: &Path) -> Result<Parts, Problem> {
        let database =
            async |service: &'static str, migrations: &Migrations| -> Result<Db, Problem> {
                let postgres = &self.servers.postgres;
                let url = format!(
                    "postgres://postgres@127.0.0.1:{}/{service}",
                    postgres.port()
                );
                let mut config = db::Config::new(url);
                config.password_file = Some(self.servers.password());
                Db::connect(&config, migrations, service, &CancellationToken::new()).await
            };
        let mut config =
            amqp::Config::new(format!("amqp://127.0.0.1:{}/", self.servers.rabbit.port()));
        config.username = Some("guest".into());
        config.password_file = Some(self.servers.guest());
        Ok(Parts {
            collector: database("collector", &collector::MIGRATIONS).await?,
            normalizer: database("normalizer", &normalizer::MIGRATIONS).await?,
            exporter: database("exporter", &exporter::MIGRATIONS).await?,
            store: None,
            queue: Arc::new(Amqp::connect(config, topology()).await?),
            keys: Keys::load(keys)?,
            at_rest: None,
        })
    }
}
