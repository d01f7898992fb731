//! A service's database: SQLite with one writer and several readers.
//!
//! Every statement of a service runs through [`Db::read`] or [`Db::write`].

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::error::{Exit, Problem};

/// A database error with its place.
pub type Error = sqlx::Error;

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
    /// Tests under tokio's paused clock set this: while a guard is held, a blocking task keeps the clock from
    /// advancing by itself. Without it a pool's time-out fires while SQLite's thread works.
    pub brake: bool,
}

/// An open database.
#[derive(Clone)]
pub struct Db {
    readers: SqlitePool,
    writer: SqlitePool,
    brake: bool,
}

impl Db {
    /// Opens the file and applies the migrations (version and SQL, ascending, never changed once released).
    ///
    /// # Errors
    /// `LW-4001` when the file can't be opened, `LW-4002` when a migration fails or is newer than this release.
    pub async fn open(
        options: &Options,
        migrations: &[(i64, &'static str)],
    ) -> Result<Db, Problem> {
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
        let migrator = Migrator::with_migrations(
            migrations
                .iter()
                .map(|(version, sql)| {
                    Migration::new(
                        *version,
                        "leastwise".into(),
                        MigrationType::Simple,
                        sqlx::SqlStr::from_static(sql),
                        false,
                    )
                })
                .collect(),
        );
        migrator.run(&writer).await.map_err(|e| {
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
        Ok(Db {
            readers,
            writer,
            brake: options.brake,
        })
    }

    /// A connection for reading. Statements on it see the newest commit; within [`Read::snapshot`] one moment.
    ///
    /// # Errors
    /// When no connection is free within two minutes.
    pub async fn read(&self) -> Result<Read, Error> {
        let brake = self.brake.then(Brake::new);
        Ok(Read {
            connection: self.readers.acquire().await?,
            _brake: brake,
        })
    }

    /// The one transaction that may write. Dropped without [`Write::commit`], it leaves no trace.
    ///
    /// # Errors
    /// When the writer isn't free within two minutes.
    pub async fn write(&self) -> Result<Write, Error> {
        let brake = self.brake.then(Brake::new);
        let connection = self.writer.acquire().await?;
        // Made before the transaction begins, so that one that is interrupted while it begins is ended too.
        let mut write = Write {
            connection,
            committed: false,
            _brake: brake,
        };
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut *write)
            .await?;
        Ok(write)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let brake = self.brake.then(Brake::new);
        self.readers.close().await;
        self.writer.close().await;
        drop(brake);
    }
}

/// A connection for reading.
pub struct Read {
    connection: PoolConnection<Sqlite>,
    _brake: Option<Brake>,
}

impl Read {
    /// Begins a transaction that sees one moment until it is dropped.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_, Sqlite>, Error> {
        use sqlx::Connection as _;
        self.connection.begin().await
    }
}

impl std::ops::Deref for Read {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Read {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// The transaction that may write.
pub struct Write {
    connection: PoolConnection<Sqlite>,
    committed: bool,
    _brake: Option<Brake>,
}

impl Write {
    /// Makes everything done in it visible and durable.
    ///
    /// # Errors
    /// When the database can't, for example on a full disk: then nothing of it happened.
    pub async fn commit(mut self) -> Result<(), Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self).await?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.committed {
            // SQLite rolls some failed transactions back by itself (a full disk) and others not; closing the
            // connection ends either.
            self.connection.close_on_drop();
        }
    }
}

impl std::ops::Deref for Write {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Keeps tokio's paused clock from advancing by itself: it doesn't while a blocking task runs.
struct Brake(
    #[expect(dead_code, reason = "released by being dropped")] std::sync::mpsc::Sender<()>,
);

impl Brake {
    fn new() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv().is_err());
        Brake(sender)
    }
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

/// What to do about a database error.
pub fn advice(e: &Error) -> &'static str {
    match full_disk(e) {
        true => "free some space on the disk, then start again: nothing is lost",
        false => {
            "check that the directory exists, that this user may write it, and that the disk is not full"
        }
    }
}

/// Whether the disk is full (SQLITE_FULL, primary result code 13; or the system's ENOSPC).
pub fn full_disk(e: &Error) -> bool {
    match e {
        sqlx::Error::Database(d) => d.code().is_some_and(|c| c == "13"),
        sqlx::Error::Io(e) => e.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// `?, ?, …` in groups: the values of a multi-row statement. One statement for many rows is about twenty times
/// as fast as one for each, because every statement is a round trip to SQLite's thread.
pub fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row; rows].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(dir: &Path, brake: bool) -> Db {
        let options = Options {
            path: dir.join("t.db"),
            durability: Durability::Full,
            brake,
        };
        Db::open(&options, &[(1, "CREATE TABLE t (n INTEGER NOT NULL)")])
            .await
            .unwrap()
    }

    async fn count(db: &Db) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM t")
            .fetch_one(&mut *db.read().await.unwrap())
            .await
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn works_under_a_paused_clock_with_the_brake() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path(), true).await;
        let start = tokio::time::Instant::now();
        for n in 0..50_i64 {
            let mut w = db.write().await.unwrap();
            sqlx::query("INSERT INTO t VALUES (?)")
                .bind(n)
                .execute(&mut *w)
                .await
                .unwrap();
            w.commit().await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(count(&db).await, 50);
        assert_eq!(start.elapsed(), Duration::from_secs(3_000));
    }

    #[tokio::test]
    async fn a_full_database_refuses_and_goes_on_when_there_is_space_again() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path(), false).await;
        let pages = async |n: u32| {
            let w = db.write().await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {n}"));
            let mut w = w;
            sqlx::raw_sql(sql).execute(&mut *w).await.unwrap();
            w.commit().await.unwrap();
        };
        let insert = async |rows: u32| -> Result<(), Error> {
            let mut w = db.write().await?;
            sqlx::query("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < ?) INSERT INTO t SELECT n FROM r")
                .bind(rows)
                .execute(&mut *w)
                .await?;
            w.commit().await
        };
        pages(20).await;
        assert!(full_disk(&insert(100_000).await.unwrap_err()));
        assert_eq!(count(&db).await, 0);
        // The limit went with the connection that failed.
        insert(10).await.unwrap();
        assert_eq!(count(&db).await, 10);
    }

    #[tokio::test]
    async fn a_dropped_transaction_leaves_no_trace_and_a_second_start_finds_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path(), false).await;
        let mut w = db.write().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut *w)
            .await
            .unwrap();
        drop(w);
        assert_eq!(count(&db).await, 0);
        let mut w = db.write().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut *w)
            .await
            .unwrap();
        w.commit().await.unwrap();
        db.close().await;
        assert_eq!(count(&open(dir.path(), false).await).await, 1);
    }
}
