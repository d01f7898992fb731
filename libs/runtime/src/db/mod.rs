//! A service's database: a SQLite file of its own, or a PostgreSQL database that several replicas share.
//!
//! Every statement of a service runs through [`Db::read`] or [`Db::write`], as a [`query`](query()).

#[cfg(feature = "postgres")]
mod copy;
mod fault;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};

#[cfg(feature = "postgres")]
pub use copy::copy;
pub use fault::{advice, full_disk, is_lock_timeout, is_of_the_machine};
#[cfg(feature = "postgres")]
pub use postgres::{Config, Roles};
pub use query::{Bind, Query, Value, placeholders, query, script};
pub use row::{At, Column, FromRow, Row};
pub use sqlite::{Durability, Options};
/// For statements whose text is made at run time: nothing that came from outside may be in it.
pub use sqlx::AssertSqlSafe;

use tokio::time::Instant;
use tracing::Span;

use crate::clock::Brake;
use crate::trace::{self, semconv};
use crate::{Problem, metrics};

/// A database error with its place.
pub type Error = sqlx::Error;

/// Versions and statements, ascending. Never changed once released: what differs for the other database has a text of
/// its own under the same number.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// For SQLite.
    pub sqlite: &'static [(i64, &'static str)],
    /// For PostgreSQL.
    pub postgres: &'static [(i64, &'static str)],
    /// For PostgreSQL, behind these, with numbers of their own: what a release before can work beside without knowing it
    /// (a table, a view, an index, a column that may be null). While replicas are replaced one after the other, both
    /// releases work on such a database; a number in `postgres` stops those of the release before.
    pub additions: &'static [(i64, &'static str)],
}

/// An open database.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    /// See [`Db::with_brake`].
    brake: bool,
}

#[derive(Clone)]
enum Pools {
    Sqlite(sqlite::Pools),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

impl Db {
    /// Opens a SQLite file and applies the migrations.
    ///
    /// # Errors
    /// `LW-4001` when the file can't be opened, `LW-4002` when a migration fails or is newer than this release.
    pub async fn open(options: &Options, migrations: &Migrations) -> Result<Db, Problem> {
        let pools = sqlite::Pools::open(options, migrations.sqlite).await?;
        Ok(Db {
            pools: Pools::Sqlite(pools),
            brake: options.brake,
        })
    }

    /// Tests under tokio's paused clock ask for this: while a connection is in use, a blocking task keeps the clock from
    /// advancing by itself. Without it a pool's time-out fires while the database works.
    #[must_use]
    pub fn with_brake(self) -> Db {
        Db {
            brake: true,
            ..self
        }
    }

    fn brake(&self) -> Option<Brake> {
        self.brake.then(Brake::new)
    }

    /// Whether other processes may change the database at the same time.
    pub fn is_shared(&self) -> bool {
        !matches!(self.pools, Pools::Sqlite(_))
    }

    /// A connection for reading: each statement on it sees the newest commit.
    ///
    /// # Errors
    /// When no connection is free in time, or the database can't be reached.
    pub async fn read(&self) -> Result<Read, Error> {
        let brake = self.brake();
        let connection = match &self.pools {
            Pools::Sqlite(pools) => Inner::Sqlite(pools.readers.acquire().await?),
            #[cfg(feature = "postgres")]
            Pools::Postgres(pool) => Inner::Postgres(pool.acquire().await?),
        };
        Ok(Read {
            connection: Connection(connection),
            _brake: brake,
        })
    }

    /// As [`Db::read`], but all statements see one moment, until it is dropped.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn snapshot(&self) -> Result<Read, Error> {
        let brake = self.brake();
        let connection = match &self.pools {
            Pools::Sqlite(pools) => Inner::SqliteMoment(pools.readers.begin().await?),
            #[cfg(feature = "postgres")]
            Pools::Postgres(pool) => {
                let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Inner::PostgresTransaction(pool.begin_with(sql).await?)
            }
        };
        Ok(Read {
            connection: Connection(connection),
            _brake: brake,
        })
    }

    /// A transaction that may write: with SQLite the only one, else one that sees what others have committed by each
    /// of its statements. Dropped without [`Write::commit`], it leaves no trace.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn write(&self) -> Result<Write, Error> {
        let brake = self.brake();
        match &self.pools {
            Pools::Sqlite(pools) => {
                // Made before the transaction begins, so that one that is interrupted while it begins is ended too.
                let mut write = Write {
                    connection: Some(Connection(Inner::Sqlite(pools.writer.acquire().await?))),
                    _brake: brake,
                    told: Told::begin("sqlite"),
                };
                script("BEGIN IMMEDIATE", &mut write).await?;
                Ok(write)
            }
            #[cfg(feature = "postgres")]
            Pools::Postgres(pool) => Ok(Write {
                connection: Some(Connection(Inner::PostgresTransaction(pool.begin().await?))),
                _brake: brake,
                told: Told::begin("postgresql"),
            }),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut read = self.read().await?;
        query("SELECT 1").execute(&mut read).await.map(drop)
    }

    /// Leaves nothing in the file of what was removed or overwritten: free space and the log keep it otherwise. It writes
    /// the whole file anew. A server's database does this by its own vacuum: there nothing happens.
    ///
    /// # Errors
    /// When the disk is full, or somebody reads in it for too long.
    pub async fn scrub(&self) -> Result<(), Error> {
        let brake = self.brake();
        let done = match &self.pools {
            Pools::Sqlite(pools) => sqlite::scrub(&pools.writer).await,
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => Ok(()),
        };
        drop(brake);
        done
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let brake = self.brake();
        match &self.pools {
            Pools::Sqlite(pools) => {
                pools.readers.close().await;
                pools.writer.close().await;
            }
            #[cfg(feature = "postgres")]
            Pools::Postgres(pool) => pool.close().await,
        }
        drop(brake);
    }
}

/// A connection to either database, for [`Query`].
pub struct Connection(Inner);

enum Inner {
    Sqlite(PoolConnection<Sqlite>),
    SqliteMoment(Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
    #[cfg(feature = "postgres")]
    PostgresTransaction(Transaction<'static, sqlx::Postgres>),
}

/// What a statement runs on.
enum On<'a> {
    Sqlite(&'a mut SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'a mut sqlx::PgConnection),
}

impl Connection {
    /// Whether it leads to PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        !matches!(self.0, Inner::Sqlite(_) | Inner::SqliteMoment(_))
    }

    /// The time, in microseconds since 1970-01-01 UTC: where several processes share the database, its clock decides,
    /// because theirs may differ; else `own`, which is the process's.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn now(&mut self, own: u64) -> Result<u64, Error> {
        if !self.is_postgres() {
            return Ok(own);
        }
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        query(sql).fetch_one(self).await
    }

    fn on(&mut self) -> On<'_> {
        match &mut self.0 {
            Inner::Sqlite(c) => On::Sqlite(c),
            Inner::SqliteMoment(c) => On::Sqlite(c),
            #[cfg(feature = "postgres")]
            Inner::Postgres(c) => On::Postgres(c),
            #[cfg(feature = "postgres")]
            Inner::PostgresTransaction(c) => On::Postgres(c),
        }
    }
}

/// A connection for reading.
pub struct Read {
    connection: Connection,
    _brake: Option<Brake>,
}

/// A transaction that may write.
pub struct Write {
    /// Taken when it ends.
    connection: Option<Connection>,
    _brake: Option<Brake>,
    told: Told,
}

/// What is told of a transaction.
struct Told {
    system: &'static str,
    began: Instant,
    span: Span,
}

impl Told {
    fn begin(system: &'static str) -> Told {
        Told {
            system,
            began: Instant::now(),
            span: trace::transaction(system),
        }
    }

    fn end(&self, how: &'static str, failed: bool) {
        self.span.record(semconv::DB_OPERATION, how);
        trace::ended(&self.span, failed.then_some("refused"));
        metrics::calls::transaction(self.system, how, failed, self.began.elapsed());
    }
}

impl Write {
    /// Makes everything done in it visible and durable.
    ///
    /// # Errors
    /// When the database can't, for example on a full disk: then nothing of it happened. Where the connection broke
    /// meanwhile, nobody knows whether it happened: callers do it again, in a way that does nothing twice.
    pub async fn commit(mut self) -> Result<(), Error> {
        let done = self.end().await;
        self.told.end("COMMIT", done.is_err());
        self.connection = self.connection.take().filter(|_| done.is_err());
        done
    }

    async fn end(&mut self) -> Result<(), Error> {
        #[cfg(feature = "postgres")]
        if let Some(Connection(Inner::PostgresTransaction(_))) = &self.connection
            && let Some(Connection(Inner::PostgresTransaction(transaction))) =
                self.connection.take()
        {
            return transaction.commit().await;
        }
        script("COMMIT", self).await
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        // SQLite rolls some failed transactions back by itself (a full disk) and others not; closing the connection
        // ends either. PostgreSQL's transaction ends by itself.
        if let Some(Connection(connection)) = &mut self.connection {
            self.told.end("ROLLBACK", false);
            if let Inner::Sqlite(connection) = connection {
                connection.close_on_drop();
            }
        }
    }
}

macro_rules! deref {
    ($($type:ty => |$x:ident| $shared:expr, $unique:expr;)*) => {$(
        impl std::ops::Deref for $type {
            type Target = Connection;
            fn deref(&self) -> &Connection {
                let $x = self;
                $shared
            }
        }
        impl std::ops::DerefMut for $type {
            fn deref_mut(&mut self) -> &mut Connection {
                let $x = self;
                $unique
            }
        }
    )*};
}
deref! {
    Read => |r| &r.connection, &mut r.connection;
    Write => |w| w.connection.as_ref().unwrap_or_else(|| unreachable!("it has not ended")),
        w.connection.as_mut().unwrap_or_else(|| unreachable!("it has not ended"));
}
