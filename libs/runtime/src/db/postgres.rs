//! PostgreSQL: how to reach it, which format its tables have, and which roles a service needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};

use super::sqlite::migrator;
use super::{Db, Error, Migrations, Pools};
use crate::CancellationToken;
use crate::error::{Chain, Exit, Problem};
use crate::retry::Backoff;

/// How to reach a PostgreSQL database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://role@host:port/database`, without a password.
    pub url: String,
    /// File with the role's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the server's certificate is verified by, name included. Without it only
    /// loopback is accepted, unencrypted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with the client's certificate (PEM).
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// File with the key of the client's certificate (PEM).
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Most connections of this process.
    #[serde(default = "connections")]
    pub connections: u32,
    /// A statement may take so long, in seconds.
    #[serde(default = "statement_seconds")]
    pub statement_seconds: u64,
    /// A statement may wait so long for a lock, in seconds.
    #[serde(default = "lock_seconds")]
    pub lock_seconds: u64,
    /// A transaction may do nothing for so long, in seconds.
    #[serde(default = "idle_seconds")]
    pub idle_seconds: u64,
    /// At start the database is waited for so long, in seconds; 0: tried once.
    #[serde(default = "start_seconds")]
    pub start_seconds: u64,
}

fn connections() -> u32 {
    8
}
// A page of 1,000 records takes some milliseconds, a purge of a large tenant's inbox some seconds.
fn statement_seconds() -> u64 {
    60
}
fn lock_seconds() -> u64 {
    10
}
// A snapshot waits for its reader between two batches.
fn idle_seconds() -> u64 {
    120
}
fn start_seconds() -> u64 {
    300
}

/// Tries to reach the database at start: quickly at first, for what is started at the same time.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(15),
};

impl Config {
    /// With the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Config {
            url: url.into(),
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            connections: connections(),
            statement_seconds: statement_seconds(),
            lock_seconds: lock_seconds(),
            idle_seconds: idle_seconds(),
            start_seconds: start_seconds(),
        }
    }

    /// Makes relative paths relative to a directory.
    pub fn resolve(&mut self, base: &Path) {
        let files = [
            &mut self.password_file,
            &mut self.ca_file,
            &mut self.cert_file,
            &mut self.key_file,
        ];
        for file in files.into_iter().flatten() {
            *file = base.join(&file);
        }
    }

    /// Checks the settings, without touching network or files.
    ///
    /// # Errors
    /// `LW-1030` when they can't work.
    pub fn check(&self) -> Result<(), Problem> {
        self.target().map(drop)
    }

    /// `host:port/database`, for messages.
    fn place(&self) -> String {
        let target = self.target();
        target.map_or_else(
            |_| "?".into(),
            |t| format!("{}:{}/{}", t.host, t.port, t.database),
        )
    }

    fn target(&self) -> Result<Target, Problem> {
        let form = "write it as postgres://role@host:port/database";
        let url =
            url::Url::parse(&self.url).map_err(|e| wrong(format!("it is no URL: {e}"), form))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("its scheme is not postgres", form));
        }
        if url.password().is_some() {
            let remedy = "put the password into a file that only the service may read, and name that as `password_file`";
            return Err(wrong("it holds a password", remedy));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "it has parameters, which have keys of their own",
                form,
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (role, database) = (url.username(), url.path().trim_start_matches('/'));
        let plain = |s: &str| {
            let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !s.is_empty() && s.chars().all(ok)
        };
        if host.is_empty() || !plain(role) || !plain(database) {
            return Err(wrong(
                "role, host or database is missing, or has other characters than a-z, 0-9, _, - and .",
                form,
            ));
        }
        let loopback = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if !loopback && self.ca_file.is_none() {
            let remedy =
                "name the CA's certificates as `ca_file`; without TLS only loopback is accepted";
            return Err(wrong(
                "the host is another machine, and nothing tells how to know it",
                remedy,
            ));
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(wrong(
                "of `cert_file` and `key_file` one is missing",
                "name both",
            ));
        }
        if self.connections < 2 {
            return Err(wrong(
                "`connections` is below 2",
                "a service needs some at a time; 8 suit most",
            ));
        }
        Ok(Target {
            port: url.port().unwrap_or(5432),
            role: role.to_owned(),
            database: database.to_owned(),
            host,
        })
    }

    /// Everything is set here: what the environment says of PostgreSQL has no say.
    fn options(&self, service: &str) -> Result<PgConnectOptions, Problem> {
        let target = self.target()?;
        let password = match &self.password_file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|e| {
                    wrong(
                        format!("the password file {} can't be read: {e}", file.display()),
                        "create it, readable by the service's user only",
                    )
                })?,
        };
        let millis = |seconds: u64| seconds.saturating_mul(1000).to_string();
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&target.host)
            .port(target.port)
            .username(&target.role)
            .password(&password)
            .database(&target.database)
            .application_name(service)
            .ssl_mode(match self.ca_file {
                Some(_) => PgSslMode::VerifyFull,
                None => PgSslMode::Disable,
            })
            .options([
                ("statement_timeout", millis(self.statement_seconds)),
                ("lock_timeout", millis(self.lock_seconds)),
                (
                    "idle_in_transaction_session_timeout",
                    millis(self.idle_seconds),
                ),
                // Every statement of a service finds its rows by an index. The plan for a fresh table without
                // statistics, or made for one that was small a moment ago, would scan what became large: a factor of
                // 15 for the ledger's comparison.
                ("plan_cache_mode", "force_generic_plan".to_owned()),
                ("enable_seqscan", "off".to_owned()),
                ("jit", "off".to_owned()),
            ]);
        if let Some(ca) = &self.ca_file {
            options = options.ssl_root_cert(ca);
        }
        if let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) {
            options = options.ssl_client_cert(cert).ssl_client_key(key);
        }
        Ok(options)
    }
}

struct Target {
    host: String,
    port: u16,
    role: String,
    database: String,
}

fn wrong(why: impl std::fmt::Display, remedy: &str) -> Problem {
    Problem::new(
        "LW-1030",
        format!("the database's settings can't be used: {why}."),
        remedy,
    )
    .exit(Exit::Usage)
}

impl Db {
    /// Connects to a PostgreSQL database, and waits for one that can't be reached or whose tables are not this
    /// release's. Each change of the reason is logged.
    ///
    /// # Errors
    /// `LW-1030` for settings that can't work; after [`Config::start_seconds`], or when `stop` comes first: `LW-4003`
    /// when it can't be reached, `LW-4004` when it refuses, `LW-4005` when its tables are older than this release,
    /// `LW-4006` when they are newer.
    pub async fn connect(
        config: &Config,
        migrations: &Migrations,
        service: &'static str,
        stop: &CancellationToken,
    ) -> Result<Db, Problem> {
        let options = config.options(service)?;
        let limit = tokio::time::Instant::now() + Duration::from_secs(config.start_seconds);
        let mut said = String::new();
        let mut tries = 0;
        loop {
            let problem = match check(&options, config, migrations, service).await {
                Ok(()) => break,
                Err(problem) => problem,
            };
            let delay = RETRY.delay(tries, 0.5);
            if tokio::time::Instant::now() + delay > limit || stop.is_cancelled() {
                return Err(problem);
            }
            let text = problem.to_string();
            if text != said {
                let cause = Chain(&problem).to_string();
                tracing::error!(problem = text, cause, "waiting for the database");
                said = text;
            }
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled() => return Err(problem),
            }
        }
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            // What a restart of the server cut is replaced without anybody noticing. So is a connection whose last
            // user was interrupted while its transaction began: it would show an old moment to the next one.
            .before_acquire(|c, _| Box::pin(async { Ok(is_fresh(c).await.unwrap_or(false)) }))
            .idle_timeout(Duration::from_secs(600))
            // So that renewed certificates come into use.
            .max_lifetime(Duration::from_secs(1800))
            .connect_lazy_with(options);
        Ok(Db {
            pools: Pools::Postgres(pool),
            brake: false,
        })
    }

    /// Brings the tables of a PostgreSQL database to this release's format; `config` names their owner.
    ///
    /// # Errors
    /// As [`Db::connect`], but at once; `LW-4002` when a migration fails.
    pub async fn migrate(
        config: &Config,
        migrations: &Migrations,
        service: &'static str,
    ) -> Result<(), Problem> {
        // What moves many rows may take long.
        let options = config
            .options(service)?
            .options([("statement_timeout", "0")]);
        // A pool of one: with a bare connection the compiler can't prove that this future is `Send`.
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|e| unreachable(config, e))?;
        let mut additions = migrator(migrations.additions);
        additions.dangerous_set_table_name(ADDITIONS);
        // Those of a newer release stay.
        additions.set_ignore_missing(true);
        let migrated = async {
            migrator(migrations.postgres).run(&pool).await?;
            additions.run(&pool).await
        };
        migrated.await.map_err(|e| match e {
            MigrateError::VersionMissing(_) => newer(config, service),
            e => Problem::new(
                "LW-4002",
                format!(
                    "the database {} can't be brought to this release's format.",
                    config.place()
                ),
                "see the cause; the migration is undone as a whole, and can be tried again",
            )
            .caused_by(e),
        })?;
        // Which migrations were applied is the owner's to say, whatever the defaults grant on new tables.
        let sql = "DO $$ DECLARE r record; BEGIN FOR r IN SELECT DISTINCT grantee, table_name
            FROM information_schema.role_table_grants WHERE table_name IN ('_sqlx_migrations', '_leastwise_additions')
            AND table_schema = current_schema() AND grantee <> current_user
            LOOP EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I FROM %I', r.table_name, r.grantee); END LOOP; END $$";
        let revoked = sqlx::raw_sql(sql).execute(&pool).await;
        pool.close().await;
        revoked.map_err(|e| unreachable(config, e)).map(drop)
    }
}

/// Whether a connection works and is in no transaction. Asked by the simple protocol, where a statement outside of a
/// transaction begins when its transaction does.
async fn is_fresh(c: &mut PgConnection) -> Result<bool, Error> {
    use sqlx::Row as _;
    let sql = sqlx::raw_sql("SELECT now() = statement_timestamp()");
    sql.fetch_one(c).await?.try_get(0)
}

/// Whether the database can be reached, and its tables are of this release.
async fn check(
    options: &PgConnectOptions,
    config: &Config,
    migrations: &Migrations,
    service: &str,
) -> Result<(), Problem> {
    let connect = PgConnection::connect_with(options);
    let connected = tokio::time::timeout(Duration::from_secs(15), connect).await;
    let mut c = connected
        .unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())))
        .map_err(|e| unreachable(config, e))?;
    let newest = |list: &[(i64, &str)]| list.last().map_or(0, |(version, _)| *version);
    let applied = applied(
        &mut c,
        "SELECT max(version) FROM _sqlx_migrations WHERE success",
    )
    .await;
    let added = format!("SELECT max(version) FROM {ADDITIONS} WHERE success");
    let added = self::applied(&mut c, &added).await;
    _ = c.close().await;
    let applied = applied.map_err(|e| unreachable(config, e))?;
    let added = added.map_err(|e| unreachable(config, e))?;
    let (wanted, also) = (newest(migrations.postgres), newest(migrations.additions));
    match applied.cmp(&wanted) {
        std::cmp::Ordering::Equal if added >= also => Ok(()),
        std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Err(Problem::new(
            "LW-4005",
            format!(
                "the tables of the database {} have format {applied}.{added}, this release of {service} needs {wanted}.{also}.",
                config.place()
            ),
            format!("run `{service} migrate` with the role that owns them"),
        )),
        std::cmp::Ordering::Greater => Err(newer(config, service)),
    }
}

/// What was applied of a list, or 0 where nobody has migrated the database yet.
async fn applied(c: &mut PgConnection, sql: &str) -> Result<i64, Error> {
    let newest = sqlx::query_scalar::<_, Option<i64>>(super::AssertSqlSafe(sql));
    match newest.fetch_one(c).await {
        Err(Error::Database(d)) if d.code().is_some_and(|c| c == "42P01") => Ok(0),
        newest => newest.map(|version| version.unwrap_or(0)),
    }
}

/// The table that says which [additions](Migrations::additions) were applied.
const ADDITIONS: &str = "_leastwise_additions";

fn newer(config: &Config, service: &str) -> Problem {
    Problem::new(
        "LW-4006",
        format!(
            "the tables of the database {} are of a newer release of {service}; nothing was touched.",
            config.place()
        ),
        "start that release, or restore the database from before it",
    )
}

fn unreachable(config: &Config, e: Error) -> Problem {
    let starts = |d: &dyn sqlx::error::DatabaseError| {
        d.code()
            .is_some_and(|c| c.starts_with("57P") || c.starts_with("53"))
    };
    match &e {
        Error::Database(d) if !starts(&**d) => {
            let remedy =
                "check role, password and certificate, pg_hba.conf, and that the database exists";
            let what = format!("the database {} refuses: {d}.", config.place());
            Problem::new("LW-4004", what, remedy).caused_by(e)
        }
        Error::Tls(_) | Error::Configuration(_) => {
            let remedy = "check `ca_file`, `cert_file` and `key_file`, and the name in the server's certificate";
            let what = format!(
                "no trust in the database {}, or none of it in us: {e}.",
                config.place()
            );
            Problem::new("LW-4004", what, remedy).caused_by(e)
        }
        _ => {
            let what = format!("the database {} can't be reached: {e}.", config.place());
            let remedy =
                "see that PostgreSQL runs and that the address is right; it is tried again";
            Problem::new("LW-4003", what, remedy).caused_by(e)
        }
    }
}

/// Whether PostgreSQL, or the way to it, gave this error.
pub(super) fn is_of_postgres(e: &Error) -> bool {
    match e {
        Error::Database(d) => d.code().is_some_and(|c| c.len() == 5),
        Error::Tls(_) | Error::Protocol(_) => true,
        _ => false,
    }
}

/// The roles of a service: one owns its tables and migrates them, the other works with their rows.
#[derive(Clone, Debug)]
pub struct Roles {
    /// The database, for example `leastwise_collector`.
    pub database: String,
    /// Owns the tables.
    pub owner: String,
    /// Reads and writes rows, and can change nothing else.
    pub runtime: String,
}

impl Roles {
    /// By the names that the documentation uses.
    pub fn of(service: &str) -> Roles {
        let name = service.replace('-', "_");
        Roles {
            database: format!("leastwise_{name}"),
            owner: format!("leastwise_{name}_owner"),
            runtime: format!("leastwise_{name}"),
        }
    }

    /// What an administrator executes in the database `postgres`: roles without passwords, and the database. Each
    /// statement stands alone, because `CREATE DATABASE` allows no other beside it.
    pub fn create(&self) -> Vec<String> {
        self.fill(include_str!("roles.sql"))
    }

    /// What an administrator executes in the new database.
    pub fn grant(&self) -> Vec<String> {
        self.fill(include_str!("grants.sql"))
    }

    fn fill(&self, template: &str) -> Vec<String> {
        let lines = template.lines().filter(|l| !l.starts_with("--"));
        let text: String = lines.flat_map(|l| [l, "\n"]).collect();
        let text = text
            .replace(":database", &self.database)
            .replace(":owner", &self.owner)
            .replace(":runtime", &self.runtime);
        let statements = text.split(';').map(str::trim).filter(|s| !s.is_empty());
        statements.map(str::to_owned).collect()
    }
}
