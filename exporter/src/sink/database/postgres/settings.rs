//! What people configure of a PostgreSQL database.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(feature = "postgres")]
use super::{Database, tables};
use crate::config::Selection;
use crate::error::Error;
use crate::sink::{Context, Settings, Sink};

/// A sink in a PostgreSQL database, to which several exporters may deliver. What is absent has the defaults of the
/// exporter's own database. Part of every build, so that one without PostgreSQL can say that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
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
    /// Which kinds and fields it shows, and what their columns are called.
    #[serde(default)]
    pub shows: Selection,
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
    fn verify(&self, sink: &str) -> Result<(), Error> {
        self.database().check().map_err(|e| Error::Settings {
            sink: sink.to_owned(),
            source: Box::new(e),
        })?;
        self.shows.check(sink)?;
        tables::check(&self.shows, sink)
    }

    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_self, reason = "as with PostgreSQL")]
    fn verify(&self, sink: &str) -> Result<(), Error> {
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

impl Settings for Postgres {
    fn resolve(&mut self, base: &Path) {
        let files = [
            &mut self.password_file,
            &mut self.ca_file,
            &mut self.cert_file,
            &mut self.key_file,
        ];
        for file in files.into_iter().flatten() {
            *file = base.join(&*file);
        }
    }

    fn location(&self) -> String {
        self.place()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        self.verify(sink)
    }

    #[cfg(feature = "postgres")]
    fn sink(&self, _: &Context) -> Result<Sink, Error> {
        let database = Database::new(self.database(), self.location(), &self.shows);
        Ok(Sink::rows(database))
    }

    #[cfg(not(feature = "postgres"))]
    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let sink = context.name.clone();
        Err(Error::NoPostgres { sink })
    }
}
