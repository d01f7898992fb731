//! A directory of files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use exporter::SinkConfig;

use super::subject::{Subject, Trouble};
use super::support::{Rig, directory};

pub struct Files(PathBuf);

impl Files {
    pub fn new(dir: &Path) -> Self {
        Files(dir.join("files"))
    }
}

/// The users of JSON lines.
pub fn users(lines: &str) -> Vec<String> {
    let user = |line: &str| {
        let user: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| user[field].as_str().unwrap().to_owned();
        let tenant = text("tenantId");
        format!(
            "{}/{}={}",
            &tenant[..1],
            text("userId"),
            text("displayName")
        )
    };
    let mut users: Vec<_> = lines.lines().map(user).collect();
    users.sort();
    users
}

#[async_trait(?Send)]
impl Subject for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn config(&self) -> SinkConfig {
        directory(self.0.clone())
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        users(&std::fs::read_to_string(self.0.join("user.ndjson")).unwrap())
    }

    fn strike(&self, _: Trouble) -> bool {
        false
    }

    async fn struck(&self) {}

    fn heal(&self) {}

    async fn alter(&self, _: &Rig) -> bool {
        std::fs::write(self.0.join("user.ndjson"), "").unwrap();
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        std::fs::remove_dir_all(&self.0).unwrap();
        true
    }
}
