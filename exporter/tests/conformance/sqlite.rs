//! A SQLite file.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use exporter::SinkConfig;

use super::subject::{Subject, Trouble};
use super::support::{Rig, sqlite};

pub struct Sqlite(PathBuf);

impl Sqlite {
    pub fn new(dir: &Path) -> Self {
        Sqlite(dir.join("inventory.db"))
    }
}

const USERS: &str = "SELECT substr(tenant_id, 1, 1) || '/' || user_id || '=' || display_name
    FROM \"user\" ORDER BY tenant_id, user_id";

#[async_trait(?Send)]
impl Subject for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn config(&self) -> SinkConfig {
        sqlite(self.0.clone())
    }

    async fn users(&self, rig: &Rig) -> Vec<String> {
        rig.rows_of(&self.0, USERS).await
    }

    fn strike(&self, _: Trouble) -> bool {
        false
    }

    async fn struck(&self) {}

    fn heal(&self) {}

    async fn alter(&self, rig: &Rig) -> bool {
        rig.change_of(&self.0, "DELETE FROM record WHERE key = 'u1'")
            .await;
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        false
    }
}
