//! A SQLite file with one writer and several readers.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::advice;
use crate::clock::Brake;
use crate::error::{Exit, Problem};

/// What may be lost when the machine (not only the process) stops.
#[derive(Clone, Copy, Debug)]
pub enum Durability {
    /// Nothing: each commit waits for the disk.
    Full,
    /// The last moments; for what the protocol reads again by itself.
    Normal,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; created with mode 0600 when missing.
    pub path: PathBuf,
    /// What may be lost.
    pub durability: Durability,
    /// For tests under tokio's paused clock, opening included: [`Db::with_brake`](super::Db::with_brake).
    pub brake: bool,
}

/// The connections to an open file.
#[derive(Clone)]
pub(super) struct Pools {
    pub readers: SqlitePool,
    pub writer: SqlitePool,
}

impl Pools {
    pub async fn open(
        options: &Options,
        migrations: &[(i64, &'static str)],
    ) -> Result<Pools, Problem> {
        let path = options.path.clone();
        let failed = |e: sqlx::Error| {
            Problem::new(
                "LW-4001",
                format!("the database {} can't be opened.", path.display()),
                advice(&e),
            )
            .exit(Exit::Io)
            .caused_by(e)
        };
        create_private(&options.path).map_err(|e| failed(sqlx::Error::Io(e)))?;
        let url = format!("sqlite://{}", options.path.display());
        let connect = SqliteConnectOptions::from_str(&url)
            .map_err(failed)?
            .filename(&options.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match options.durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Normal => SqliteSynchronous::Normal,
            })
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            .pragma("cache_size", "-4096")
            .pragma("temp_store", "memory")
            .statement_cache_capacity(64)
            // So that a profiler tells whose database it is.
            .thread_name({
                let name = thread_name(&options.path);
                move |_| name.clone()
            });
        let pool = |max| {
            SqlitePoolOptions::new()
                .max_connections(max)
                .test_before_acquire(false)
                .acquire_timeout(Duration::from_secs(120))
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let brake = options.brake.then(Brake::new);
        let writer = pool(1)
            .connect_with(connect.clone())
            .await
            .map_err(failed)?;
        migrator(migrations).run(&writer).await.map_err(|e| {
            Problem::new(
                "LW-4002",
                format!(
                    "the database {} can't be brought to this release's format.",
                    path.display()
                ),
                "start the release that wrote it, or restore the data directory from a copy",
            )
            .caused_by(e)
        })?;
        let readers = pool(4)
            .connect_with(connect.read_only(true))
            .await
            .map_err(failed)?;
        drop(brake);
        Ok(Pools { readers, writer })
    }
}

/// Writes the file anew and empties the log.
pub(super) async fn scrub(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut writer = writer.acquire().await?;
    // The copy that it makes on its way may be larger than the memory.
    for sql in [
        "PRAGMA temp_store = file",
        "VACUUM",
        "PRAGMA temp_store = memory",
    ] {
        sqlx::raw_sql(sql).execute(&mut *writer).await?;
    }
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (busy, ..): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&mut *writer).await?;
    match busy {
        0 => Ok(()),
        _ => Err(sqlx::Error::Protocol(
            "somebody reads in the database, so its log could not be emptied".to_owned(),
        )),
    }
}

/// What applies migrations.
pub(super) fn migrator(migrations: &[(i64, &'static str)]) -> Migrator {
    let migration = |(version, sql): &(i64, &'static str)| {
        let sql = sqlx::SqlStr::from_static(sql);
        Migration::new(
            *version,
            "leastwise".into(),
            MigrationType::Simple,
            sql,
            false,
        )
    };
    Migrator::with_migrations(migrations.iter().map(migration).collect())
}

/// Linux shows 15 bytes of a thread's name.
fn thread_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("db-{}", stem.chars().take(12).collect::<String>())
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
