//! A PostgreSQL database.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use exporter::SinkConfig;

use super::subject::{Subject, Trouble};
use super::support::{Rig, postgres};

pub struct Postgres(PathBuf);

impl Postgres {
    /// Its database is made with its configuration.
    pub fn new(dir: &Path) -> Self {
        Postgres(dir.to_owned())
    }
}

const USERS: &str = "SELECT substr(tenant_id, 1, 1) || '/' || user_id || '=' || display_name
    FROM \"user\" ORDER BY tenant_id, user_id";

#[async_trait(?Send)]
impl Subject for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::new(postgres::new(&self.0))
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        postgres::sql(&self.0, USERS)
    }

    fn strike(&self, _: Trouble) -> bool {
        false
    }

    async fn struck(&self) {}

    fn heal(&self) {}

    async fn alter(&self, _: &Rig) -> bool {
        postgres::sql(&self.0, "DELETE FROM \"user\" WHERE user_id = 'u1'");
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        false
    }
}
