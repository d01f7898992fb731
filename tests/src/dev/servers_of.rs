//! What the services use: databases with their roles, the queue with its accounts, keys, tenants to read.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bus::amqp::{Account, Role, definitions};
use runtime::db::Roles;
use serde_json::Value;
use servers::{Pki, Postgres, Process, RabbitMq, Validity};

use super::Args;
use crate::cluster::{SERVICES, program, topology};

/// The database of the PostgreSQL sink, as [`Roles::of`] names it.
pub const SINK: &str = "inventory";

/// Writes a file that only its owner may read.
pub fn private(path: &Path, content: &str) -> Result<()> {
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(std::io::Write::write_all(&mut file, content.as_bytes())?)
}

/// Writes a program.
pub fn script(path: &Path, content: &str) -> Result<()> {
    private(path, content)?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o700),
    )?)
}

/// PostgreSQL that only TLS reaches, with a database, its owner and a role that can't change tables for each service
/// and for the sink. Passwords are in `secrets`, by the roles' names.
pub fn postgres(pki: &Pki, secrets: &Path) -> Result<Postgres> {
    let postgres = Postgres::start(&servers::postgres::Options {
        tls: Some(pki.issue("postgres", None, &["localhost"], Validity::Good)?),
        ..Default::default()
    })?;
    for owned in SERVICES.into_iter().chain([SINK]) {
        let roles = Roles::of(owned);
        let mut sql = roles.create();
        for role in [&roles.owner, &roles.runtime] {
            let password = password()?;
            private(&secrets.join(role), &password)?;
            sql.push(format!("ALTER ROLE {role} PASSWORD '{password}'"));
        }
        postgres.sql("postgres", &(sql.join(";\n") + ";"))?;
        postgres.sql(&roles.database, &(roles.grant().join(";\n") + ";"))?;
    }
    Ok(postgres)
}

/// RabbitMQ that only client certificates reach, with an account for each service by the certificate's common name.
pub fn rabbitmq(pki: &Pki) -> Result<RabbitMq> {
    let accounts = [
        ("collector", Role::Collector("default".parse()?)),
        ("normalizer", Role::Normalizer),
        ("exporter", Role::Exporter),
    ];
    let accounts = accounts.map(|(name, role)| Account {
        name: name.to_owned(),
        role,
    });
    RabbitMq::start(&servers::rabbitmq::Options {
        definitions: Some(definitions(&topology(), "/", &accounts)),
        tls: Some(pki.issue("rabbitmq", None, &["localhost"], Validity::Good)?),
        ..Default::default()
    })
}

/// Writes `SERVICE.keys` for each service, with the keys that it has a right to.
pub fn queue_keys(secrets: &Path) -> Result<()> {
    let all = secrets.join("all.keys");
    let keys = bus::Keys::generate_for("default".parse()?);
    keys.save(&all).map_err(|e| anyhow!("{e}"))?;
    let text = fs::read_to_string(&all)?;
    for (service, not) in [
        ("collector", Some("closing ")),
        ("normalizer", None),
        ("exporter", Some("page ")),
    ] {
        let lines = text
            .lines()
            .filter(|l| not.is_none_or(|n| !l.starts_with(n)));
        let own: String = lines.flat_map(|line| [line, "\n"]).collect();
        private(&secrets.join(format!("{service}.keys")), &own)?;
    }
    Ok(fs::remove_file(all)?)
}

/// The simulator as a process, and the line in which it says where everything is.
pub fn graph(directory: &Path, args: &Args) -> Result<(Process, Value)> {
    let mut command = program("graph-sim");
    for (name, value) in [
        ("--tenants", u64::from(args.tenants)),
        ("--users", u64::from(args.users)),
        ("--seed", args.seed),
    ] {
        command.args([name, &value.to_string()]);
    }
    let process = Process::start(directory, &command)?;
    let mut ready = Value::Null;
    servers::wait_until(
        "the simulator says where it is",
        Duration::from_secs(60),
        || {
            if process.id().is_none() {
                bail!("{}", process.last_words());
            }
            let log = fs::read_to_string(process.log())?;
            let line = log.split_inclusive('\n').find(|l| l.ends_with('\n'));
            ready = line.map_or(Ok(Value::Null), serde_json::from_str)?;
            Ok(!ready.is_null())
        },
    )?;
    Ok((process, ready))
}

/// A key that a service seals with what it stores.
pub fn store_key(path: &Path) -> Result<()> {
    use base64::Engine as _;

    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    private(
        path,
        &base64::engine::general_purpose::STANDARD.encode(bytes),
    )
}

/// 256 bits.
fn password() -> Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
