//! The ledger's database: SQLite, or PostgreSQL.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use normalizer::MIGRATIONS;
use runtime::CancellationToken;
use runtime::db::{Db, Durability, Migrations, Options};

/// The tests that are run once more by `postgres.rs` have PostgreSQL below them.
pub fn on_postgres() -> bool {
    module_path!().contains("::postgres::")
}

/// A database of its own on a server that all tests of this process share.
async fn postgres(dir: &Path, migrations: &Migrations) -> Db {
    static SERVER: OnceLock<servers::Postgres> = OnceLock::new();
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    let server = SERVER.get_or_init(|| servers::Postgres::start(&Default::default()).unwrap());
    let (name, password) = (dir.join("database"), dir.join("password"));
    if !name.exists() {
        let database = format!("ledger{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        server.create_database(&database).unwrap();
        std::fs::write(&password, server.password()).unwrap();
        std::fs::write(&name, database).unwrap();
    }
    let database = std::fs::read_to_string(name).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", server.port());
    let config = runtime::db::Config {
        password_file: Some(password),
        ..runtime::db::Config::new(url)
    };
    Db::migrate(&config, migrations, "normalizer")
        .await
        .unwrap();
    let stop = CancellationToken::new();
    Db::connect(&config, migrations, "normalizer", &stop)
        .await
        .unwrap()
}

/// The ledger of a directory.
pub async fn open(dir: &Path, brake: bool) -> Db {
    open_as(dir, brake, &MIGRATIONS).await
}

/// The same, with the tables of any release.
pub async fn open_as(dir: &Path, brake: bool, migrations: &Migrations) -> Db {
    if on_postgres() {
        return postgres(dir, migrations).await;
    }
    let options = Options {
        path: dir.join("ledger.db"),
        durability: Durability::Normal,
        brake,
    };
    Db::open(&options, migrations).await.unwrap()
}
