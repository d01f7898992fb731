//! A package for FlexNet Manager Suite.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use exporter::SinkConfig;
use exporter::sink::flexnet::Package;

use super::subject::{Subject, Trouble};
use super::support::Rig;

pub struct Flexnet(PathBuf);

impl Flexnet {
    pub fn new(dir: &Path) -> Self {
        Flexnet(dir.join("package"))
    }
}

#[async_trait(?Send)]
impl Subject for Flexnet {
    fn name(&self) -> &'static str {
        "flexnet"
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::new(Package {
            path: self.0.clone(),
            ..Package::default()
        })
    }

    /// Whoever holds a licence, by what stands for the account and the domain of people in the cloud.
    async fn users(&self, _: &Rig) -> Vec<String> {
        let mut reader = csv::Reader::from_path(self.0.join("User.csv")).unwrap();
        let rows = reader.records().map(Result::unwrap);
        let mut users: Vec<_> = rows.map(|r| format!("{}/{}", &r[2][..1], &r[1])).collect();
        users.sort();
        users
    }

    fn names(&self) -> bool {
        false
    }

    fn strike(&self, _: Trouble) -> bool {
        false
    }

    async fn struck(&self) {}

    fn heal(&self) {}

    async fn alter(&self, _: &Rig) -> bool {
        std::fs::write(self.0.join("User.csv"), "").unwrap();
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        std::fs::remove_dir_all(&self.0).unwrap();
        true
    }
}
