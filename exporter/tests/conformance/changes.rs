//! A feed of changes.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use exporter::SinkConfig;
use serde_json::json;

use super::subject::{Subject, Trouble};
use super::support::Rig;
use crate::changes::{names_in, segments};

pub struct Changes(PathBuf);

impl Changes {
    pub fn new(dir: &Path) -> Self {
        Changes(dir.join("changes"))
    }
}

#[async_trait(?Send)]
impl Subject for Changes {
    fn name(&self) -> &'static str {
        "changes"
    }

    fn config(&self) -> SinkConfig {
        serde_json::from_value(json!({ "kind": "changes", "path": self.0 })).unwrap()
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        names_in(&self.0)
    }

    fn strike(&self, _: Trouble) -> bool {
        false
    }

    async fn struck(&self) {}

    fn heal(&self) {}

    /// Somebody is called otherwise in what was written before.
    async fn alter(&self, _: &Rig) -> bool {
        for segment in segments(&self.0) {
            let text = std::fs::read_to_string(&segment).unwrap();
            std::fs::write(&segment, text.replace("Bea", "Eve")).unwrap();
        }
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        false
    }
}
