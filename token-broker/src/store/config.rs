//! `[store]` of the configuration.

use std::path::{Path, PathBuf};

use runtime::Problem;
use runtime::config::below;
use serde::{Deserialize, Serialize};

/// Where tenants that are added while the broker runs are kept, and the keys that their files are sealed with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Holds the key: 32 random bytes in base64. Looked at every minute: a new key is taken up, and everything is
    /// brought under it.
    pub key_file: PathBuf,
    /// Keys of before, until everything is under the current one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_key_files: Vec<PathBuf>,
    /// SQLite file, for one broker without replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// PostgreSQL, which replicas share.
    #[cfg(feature = "server")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db: Option<runtime::db::Config>,
}

impl Config {
    /// Of an installation in one process, whose key lies beside its database: it is made where it is missing. That
    /// guards copies of the database, not the directory.
    ///
    /// # Errors
    /// `LW-2060` when it can't be written.
    pub fn embedded(key_file: PathBuf) -> Result<Self, Problem> {
        runtime::seal::make(super::KEY, &key_file)?;
        Ok(Config {
            key_file,
            old_key_files: Vec::new(),
            file: None,
            #[cfg(feature = "server")]
            db: None,
        })
    }

    /// Checks what types can't say.
    ///
    /// # Errors
    /// `LW-1003` unless it names one database.
    #[cfg(feature = "server")]
    pub(crate) fn check(&self) -> Result<(), Problem> {
        match (&self.file, &self.db) {
            (Some(_), None) => Ok(()),
            (None, Some(db)) => db.check(),
            _ => Err(Problem::new(
                "LW-1003",
                "[store] names no database, or two.",
                "file for SQLite (one token-broker), or [store.db] for PostgreSQL (replicas)",
            )
            .exit(runtime::error::Exit::Usage)),
        }
    }

    /// Opens it, once its database is there.
    #[cfg(feature = "server")]
    pub(crate) async fn open(
        &self,
        process: &runtime::process::Process,
        service: &'static str,
    ) -> Result<super::Store, Problem> {
        use runtime::db::{Db, Durability, Options};

        let db = match (&self.file, &self.db) {
            (_, Some(db)) => process.database(db, &super::MIGRATIONS, service).await?,
            (file, None) => {
                let options = Options {
                    path: file.clone().unwrap_or_default(),
                    durability: Durability::Full,
                    brake: false,
                };
                Db::open(&options, &super::MIGRATIONS).await?
            }
        };
        super::Store::new(db, self, process.clock.clone())
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        below(base, &mut self.key_file);
        self.old_key_files.iter_mut().for_each(|f| below(base, f));
        if let Some(file) = &mut self.file {
            below(base, file);
        }
        #[cfg(feature = "server")]
        if let Some(db) = &mut self.db {
            db.resolve(base);
        }
    }
}
