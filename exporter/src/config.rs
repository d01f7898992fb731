//! What people configure: which sinks there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the inventory goes.
    pub sinks: Vec<SinkConfig>,
    /// How often the heads of all ledgers are asked for, in seconds: announcements may get lost.
    #[serde(with = "seconds")]
    pub poll: Duration,
    /// How long a lease on a sink lasts without a heartbeat, where several exporters share a database, in seconds.
    #[serde(with = "seconds")]
    pub lease: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sinks: Vec::new(),
            poll: Duration::from_secs(60),
            lease: Duration::from_secs(15),
        }
    }
}

/// One sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SinkConfig {
    /// A directory with the current inventory: one file of JSON lines a kind, and a manifest.
    Files {
        /// How the sink is called in `status`; `files` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The directory; created where it is missing.
        path: PathBuf,
    },
    /// A SQLite file with a view for each kind.
    Sqlite {
        /// How the sink is called in `status`; `sqlite` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The file; created where it is missing.
        path: PathBuf,
    },
    /// A PostgreSQL database with a view for each kind.
    Postgres(Postgres),
}

/// A sink in a PostgreSQL database, to which several exporters may deliver. What is absent has the defaults of the
/// exporter's own database. Part of every build, so that one without PostgreSQL can say that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// How the sink is called in `status`; `postgres` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `postgres://role@host:port/database`, without a password.
    pub url: String,
    /// File with the role's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the server's certificate is verified by; without it loopback only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// File with the client's certificate (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// File with the key of the client's certificate (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Most connections of this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// A statement may take so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_seconds: Option<u64>,
    /// A statement may wait so long for a lock, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_seconds: Option<u64>,
    /// A transaction may do nothing for so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
}

impl Postgres {
    /// How to reach the database, which is tried once at a time.
    #[cfg(feature = "postgres")]
    pub(crate) fn database(&self) -> runtime::db::Config {
        let default = runtime::db::Config::new(self.url.as_str());
        runtime::db::Config {
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            connections: self.connections.unwrap_or(default.connections),
            statement_seconds: self.statement_seconds.unwrap_or(default.statement_seconds),
            lock_seconds: self.lock_seconds.unwrap_or(default.lock_seconds),
            idle_seconds: self.idle_seconds.unwrap_or(default.idle_seconds),
            start_seconds: 0,
            ..default
        }
    }

    #[cfg(feature = "postgres")]
    fn check(&self, sink: &str) -> Result<(), Error> {
        self.database().check().map_err(|e| Error::Settings {
            sink: sink.to_owned(),
            source: Box::new(e),
        })
    }

    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_self, reason = "as with PostgreSQL")]
    fn check(&self, sink: &str) -> Result<(), Error> {
        Err(Error::NoPostgres {
            sink: sink.to_owned(),
        })
    }

    /// The URL, without a password that shouldn't be there.
    fn place(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return self.url.clone();
        };
        match rest.rsplit_once('@') {
            Some((user, rest)) => {
                let role = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{role}@{rest}")
            }
            None => self.url.clone(),
        }
    }
}

impl SinkConfig {
    /// How the sink is called.
    pub fn name(&self) -> &str {
        match self {
            SinkConfig::Files { name, .. } | SinkConfig::Sqlite { name, .. } => {
                name.as_deref().unwrap_or(self.kind())
            }
            SinkConfig::Postgres(p) => p.name.as_deref().unwrap_or(self.kind()),
        }
    }

    /// What it is.
    pub fn kind(&self) -> &'static str {
        match self {
            SinkConfig::Files { .. } => "files",
            SinkConfig::Sqlite { .. } => "sqlite",
            SinkConfig::Postgres(_) => "postgres",
        }
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        match self {
            SinkConfig::Files { path, .. } | SinkConfig::Sqlite { path, .. } => {
                *path = base.join(&*path);
            }
            SinkConfig::Postgres(p) => {
                let files = [
                    &mut p.password_file,
                    &mut p.ca_file,
                    &mut p.cert_file,
                    &mut p.key_file,
                ];
                for file in files.into_iter().flatten() {
                    *file = base.join(&*file);
                }
            }
        }
    }

    /// Where its data are: a path, or a URL without a password.
    pub fn location(&self) -> String {
        match self {
            SinkConfig::Files { path, .. } | SinkConfig::Sqlite { path, .. } => {
                path.display().to_string()
            }
            SinkConfig::Postgres(p) => p.place(),
        }
    }
}

impl Config {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// `LW-6001` when a name or a path is empty or used twice, a database can't be reached like that, or `poll` is
    /// zero.
    pub fn check(&self) -> Result<(), Error> {
        let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for sink in &self.sinks {
            let wrong = |why: &'static str| Error::Config {
                what: format!("sink `{}`", sink.name()),
                why,
            };
            if sink.name().is_empty() {
                return Err(wrong("its name is empty"));
            }
            if let SinkConfig::Postgres(postgres) = sink {
                postgres.check(sink.name())?;
            }
            if sink.location().is_empty() {
                return Err(wrong("its path is empty"));
            }
            if !names.insert(sink.name()) {
                return Err(wrong("another sink has the same name"));
            }
            // Two sinks that replace each other's files would never come to rest.
            if !paths.insert(sink.location()) {
                return Err(wrong("another sink has the same path"));
            }
        }
        if self.poll.is_zero() {
            return Err(Error::Config {
                what: "exporter.poll".into(),
                why: "it must be at least one second",
            });
        }
        Ok(())
    }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(d.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn names_default_to_the_kind_and_unknown_keys_are_errors() {
        let c = parse(
            r#"{"sinks":[{"kind":"files","path":"out"},{"kind":"sqlite","name":"bi","path":"x.db"}],"poll":5}"#,
        );
        let c = c.unwrap();
        assert_eq!(
            c.sinks.iter().map(SinkConfig::name).collect::<Vec<_>>(),
            ["files", "bi"]
        );
        assert_eq!(c.poll, Duration::from_secs(5));
        assert!(parse(r#"{"sinks":[{"kind":"files","path":"out","pth":"x"}]}"#).is_err());
        assert!(parse(r#"{"sink":[]}"#).is_err());
        assert_eq!(parse("{}").unwrap(), Config::default());
    }

    #[test]
    fn a_database_has_keys_of_its_own_and_needs_a_build_that_has_it() {
        let json = r#"{"sinks":[{"kind":"postgres","url":"postgres://role@localhost/inventory","password_file":"secret"}]}"#;
        let mut config = parse(json).unwrap();
        let sink = &mut config.sinks[0];
        sink.resolve(Path::new("/etc"));
        assert_eq!(sink.location(), "postgres://role@localhost/inventory");
        let SinkConfig::Postgres(postgres) = sink else {
            panic!("{sink:?}");
        };
        assert_eq!(
            postgres.password_file.as_deref(),
            Some(Path::new("/etc/secret"))
        );
        let checked = config.check().map_err(runtime::Problem::from);
        match cfg!(feature = "postgres") {
            true => checked.unwrap(),
            false => {
                let problem = checked.unwrap_err();
                assert_eq!(problem.code, "LW-6001");
                assert!(problem.what.contains("no PostgreSQL"), "{problem}");
            }
        }
        assert!(parse(&json.replace("password_file", "password")).is_err());
        let config = parse(&json.replace("role@", "role:s3cret@")).unwrap();
        assert_eq!(
            config.sinks[0].location(),
            "postgres://role@localhost/inventory"
        );
        let problem = runtime::Problem::from(config.check().unwrap_err());
        assert_eq!(problem.code, "LW-6001");
        assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
    }

    #[test]
    fn two_sinks_share_neither_name_nor_path() {
        let files = |name: Option<&str>, path: &str| SinkConfig::Files {
            name: name.map(Into::into),
            path: path.into(),
        };
        let check = |sinks| {
            Config {
                sinks,
                ..Config::default()
            }
            .check()
            .map_err(|e| e.to_string())
        };
        assert!(check(vec![files(None, "a"), files(Some("b"), "b")]).is_ok());
        assert!(
            check(vec![files(None, "a"), files(None, "b")])
                .unwrap_err()
                .contains("same name")
        );
        assert!(
            check(vec![files(None, "a"), files(Some("b"), "a")])
                .unwrap_err()
                .contains("same path")
        );
        assert!(check(vec![files(None, "")]).is_err());
    }
}
