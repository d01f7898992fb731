//! What people configure of a SQLite file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Database;
use crate::error::Error;
use crate::sink::{Context, Settings, Sink};

/// A SQLite file with a view for each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The file; created where it is missing.
    pub path: PathBuf,
}

impl Settings for Sqlite {
    fn resolve(&mut self, base: &Path) {
        self.path = base.join(&self.path);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let database = Database::new(self.path.clone(), context.brake);
        Ok(Sink::rows(database))
    }
}
