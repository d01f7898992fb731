//! A database of its own for each rig, on a server that all tests of this process share.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use exporter::sink::database::Postgres;
use runtime::db::Db;

/// The tests that are run once more by `postgres.rs` deliver to PostgreSQL.
pub fn is_meant() -> bool {
    module_path!().contains("::postgres::")
}

pub fn server() -> &'static servers::Postgres {
    static SERVER: OnceLock<servers::Postgres> = OnceLock::new();
    SERVER.get_or_init(|| servers::Postgres::start(&Default::default()).unwrap())
}

/// A sink in a new database.
pub fn new(dir: &Path) -> Postgres {
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    let name = format!("inventory{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    server().create_database(&name).unwrap();
    let password = dir.join("password");
    std::fs::write(&password, server().password()).unwrap();
    std::fs::write(dir.join("database"), &name).unwrap();
    Postgres {
        url: format!("postgres://postgres@127.0.0.1:{}/{name}", server().port()),
        password_file: Some(password),
        ..Postgres::default()
    }
}

/// A database that exporters share, with their tables.
pub async fn shared(dir: &Path) -> runtime::db::Config {
    let at = new(&tempfile::tempdir_in(dir).unwrap().keep());
    let config = runtime::db::Config {
        password_file: at.password_file,
        ..runtime::db::Config::new(at.url)
    };
    Db::migrate(&config, &exporter::MIGRATIONS, "exporter")
        .await
        .unwrap();
    config
}

/// The lines that the rig's database answers.
pub fn sql(dir: &Path, statements: &str) -> Vec<String> {
    let database = std::fs::read_to_string(dir.join("database")).unwrap();
    let rows = server().sql(&database, statements).unwrap();
    rows.lines().map(str::to_owned).collect()
}
