//! A PostgreSQL server.

mod user;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guard::Guard;
use crate::home::{Home, last_words};
use crate::run::{output, quoted, text};
use crate::{Tls, ports, programs, wait_until};
use user::User;

/// The role that may do everything.
pub const SUPERUSER: &str = "postgres";

/// How long starting may take on a machine that has much else to do.
const START: Duration = Duration::from_secs(60);

/// What can be chosen when a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Then only TLS connections are accepted. A client's certificate is checked if it shows one.
    pub tls: Option<Tls>,
    /// Keeps the data in this directory, to be found again by the next server that is started over it. (The
    /// programs refuse to run as root; started by root they need a directory that the user `postgres` can reach.)
    pub directory: Option<PathBuf>,
    /// A free one if not given.
    pub port: Option<u16>,
    /// Where it listens instead of on 127.0.0.1: on an address of this machine that containers reach. They come from its
    /// network of 256 addresses.
    pub address: Option<Ipv4Addr>,
    /// Waits for the disk, so that the data survives the machine's crash. Without, only the server's own.
    pub durable: bool,
    /// 100 if not given.
    pub max_connections: Option<u32>,
}

/// A running PostgreSQL server with one superuser, [`SUPERUSER`].
pub struct Postgres {
    port: u16,
    address: Ipv4Addr,
    password: String,
    programs: PathBuf,
    data: PathBuf,
    guard: Guard,
}

impl Postgres {
    /// Starts a server and waits until it accepts connections.
    pub fn start(options: &Options) -> Result<Self> {
        let programs = programs::postgres()?;
        let home = Home::new("postgres", options.directory.as_deref())?;
        let guard = Guard::new(&home, "QUIT")?;
        let user = User::of_servers()?;
        user.own(&home.path)?;
        // Written once: the data knows the password that it was made with.
        let file = home.path.join("password");
        if !file.exists() {
            let password = format!("{:016x}{:016x}", ports::random(), ports::random());
            user.own(&home.write("password", password)?)?;
        }
        let mut server = Self {
            port: 0,
            address: options.address.unwrap_or(Ipv4Addr::LOCALHOST),
            password: fs::read_to_string(file)?,
            programs,
            data: home.path.join("data"),
            guard,
        };
        let tls = match &options.tls {
            Some(tls) => Some(copied(&home, &user, tls)?),
            None => None,
        };
        let mut tries = 5;
        loop {
            server.port = match options.port {
                Some(port) => port,
                None => ports::free()?,
            };
            let run = server.script(options, tls.as_ref(), &user);
            user.own(&home.write("run", run)?)?;
            tries -= 1;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) if tries == 0 || options.port.is_some() => return Err(error),
                Err(error) if !error.to_string().contains("Address already in use") => {
                    return Err(error);
                }
                // Someone else was quicker.
                Err(_) => server.kill()?,
            }
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps everything.
    pub fn directory(&self) -> &Path {
        self.data.parent().unwrap_or(&self.data)
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of a database for a role; with the password if that is the superuser.
    pub fn url(&self, database: &str, role: &str) -> String {
        let password = match role == SUPERUSER {
            true => format!(":{}", self.password),
            false => String::new(),
        };
        format!(
            "postgres://{role}{password}@{}:{}/{database}",
            self.address, self.port
        )
    }

    /// The program `psql` of the server's release.
    pub fn psql(&self) -> PathBuf {
        self.programs.join("psql")
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.create_database_from("template0", name)
    }

    /// Copies a database, to which nobody may be connected.
    pub fn create_database_from(&self, template: &str, name: &str) -> Result<()> {
        let (template, name) = (identifier(template), identifier(name));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.sql("postgres", &sql).map(drop)
    }

    /// Runs statements as superuser, up to the first that fails. Returns the rows of all, a line each, with `|`
    /// between the columns.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set=ON_ERROR_STOP=1", "--file=-", "--dbname", database]);
        text(&mut psql, statements)
    }

    /// What [`Self::restore`] takes.
    pub fn dump(&self, database: &str) -> Result<Vec<u8>> {
        let mut dump = self.program("pg_dump");
        dump.args(["--format=custom", "--compress=0", "--dbname", database]);
        output(&mut dump, b"")
    }

    /// Replaces a database by an earlier [`Self::dump`], and ends all connections to it.
    ///
    /// Nobody sees it half restored: the restored database takes the name when it is complete. It keeps its owner,
    /// but not the settings of the database itself and the grants on it.
    pub fn restore(&self, database: &str, dump: &[u8]) -> Result<()> {
        let unfinished = format!("{database} (restoring)");
        let (name, new) = (identifier(database), identifier(&unfinished));
        let owner = format!(
            "SELECT quote_ident(rolname) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE datname = '{}'",
            database.replace('\'', "''")
        );
        let owner = self.sql("postgres", &owner)?;
        let owner = owner.trim();
        if owner.is_empty() {
            bail!("there is no database {name}");
        }
        let sql = format!(
            "DROP DATABASE IF EXISTS {new}; CREATE DATABASE {new} OWNER {owner} TEMPLATE template0"
        );
        self.sql("postgres", &sql)?;
        let mut restore = self.program("pg_restore");
        restore.args(["--exit-on-error", "--dbname", &unfinished]);
        output(&mut restore, dump)?;
        let sql =
            format!("DROP DATABASE {name} WITH (FORCE); ALTER DATABASE {new} RENAME TO {name}");
        self.sql("postgres", &sql).map(drop)
    }

    /// Crashes the server and starts it again, on the same port.
    pub fn restart(&self) -> Result<()> {
        self.kill()?;
        self.start_again()
    }

    /// Crashes the server: connections end at once, and it writes nothing more.
    pub fn kill(&self) -> Result<()> {
        self.guard.stop()
    }

    /// Starts a server that was killed, on the same port, and waits until it accepts connections.
    pub fn start_again(&self) -> Result<()> {
        fs::write(self.guard.log(), "")?;
        self.guard.start()?;
        let started = wait_until("PostgreSQL accepts connections", START, || {
            let Some(process) = self.guard.server() else {
                bail!("PostgreSQL ended while it started");
            };
            Ok(self.is_ready(process))
        });
        started.with_context(|| format!("starting PostgreSQL failed\n{}", last_words(&self.guard)))
    }

    /// The server says in this file what `pg_ctl` waits for.
    fn is_ready(&self, process: u32) -> bool {
        let status = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = status.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    fn script(&self, options: &Options, tls: Option<&Tls>, user: &User) -> String {
        let on = |name: &str| format!("{}{}", user.prefix(), quoted(self.programs.join(name)));
        let new = quoted(self.data.with_extension("new"));
        let password = quoted(self.data.with_file_name("password"));
        let mut settings = vec![
            format!("listen_addresses={}", self.address),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", options.max_connections.unwrap_or(100)),
            "max_wal_senders=0".to_owned(),
            "shared_buffers=32MB".to_owned(),
        ];
        if !options.durable {
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        if let Some(tls) = tls {
            settings.extend([
                "ssl=on".to_owned(),
                format!("ssl_ca_file={}", tls.ca.display()),
                format!("ssl_cert_file={}", tls.certificate.display()),
                format!("ssl_key_file={}", tls.key.display()),
            ]);
        }
        let settings: Vec<_> = settings
            .iter()
            .map(|setting| format!("-c {}", quoted(setting)))
            .collect();
        let connections = match tls {
            Some(_) => "hostssl",
            None => "host",
        };
        format!(
            "if [ ! -e {data} ]; then\n\
                rm -rf {new}\n\
                {initdb} --pgdata={new} --username={SUPERUSER} --pwfile={password} --auth=scram-sha-256 \
                    --no-sync --locale=C.UTF-8 --encoding=UTF8 || exit\n\
                mv {new} {data}\n\
            fi\n\
            echo '{connections} all all {address}/{length} scram-sha-256' >{data}/pg_hba.conf\n\
            exec {postgres} -D {data} {settings}\n",
            data = quoted(&self.data),
            initdb = on("initdb"),
            postgres = on("postgres"),
            settings = settings.join(" "),
            address = self.address,
            length = if self.address.is_loopback() { 32 } else { 24 },
        )
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env_remove("PGDATABASE")
            .env_remove("PGSERVICE")
            .env("PGHOST", self.address.to_string())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGPASSWORD", &self.password)
            .env("PGSSLMODE", "prefer");
        command
    }
}

/// Copies of the files that the server's user can read.
fn copied(home: &Home, user: &User, tls: &Tls) -> Result<Tls> {
    let copy = |file: &Path, name: &str| {
        let content = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let copy = home.write(name, content)?;
        user.own(&copy)?;
        Ok::<_, anyhow::Error>(copy)
    };
    Ok(Tls {
        ca: copy(&tls.ca, "ca.pem")?,
        certificate: copy(&tls.certificate, "server.pem")?,
        key: copy(&tls.key, "server.key")?,
    })
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
