//! The configuration of an embedded installation: one TOML file.

use std::path::{Path, PathBuf};

use exporter::SinkConfig;
use runtime::Problem;
use runtime::error::Exit;
use serde::Deserialize;
use token_broker::TenantConfig;

/// The file. Relative paths in it are relative to the file's own directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the ledger, the queue and the state of each service rest. Private: mode 0700.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The tenants to read.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
    /// Where the inventory goes.
    #[serde(default)]
    pub sinks: Vec<SinkConfig>,
    /// Settings of the collector.
    #[serde(default)]
    pub collector: collector::Config,
    /// Settings of the normalizer.
    #[serde(default)]
    pub normalizer: normalizer::Config,
}

fn default_data_dir() -> PathBuf {
    "leastwise-data".into()
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// `LW-100x`, naming the place, what is wrong and what to do.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let mut config: Config = runtime::config::load(path, runtime::config::environment())?;
        let base = path.parent().unwrap_or(Path::new(""));
        config.data_dir = base.join(&config.data_dir);
        for tenant in &mut config.tenants {
            tenant.client_secret_file = base.join(&tenant.client_secret_file);
        }
        for sink in &mut config.sinks {
            let (SinkConfig::Files { path, .. } | SinkConfig::Sqlite { path, .. }) = sink;
            *path = base.join(&*path);
        }
        if config.tenants.is_empty() {
            return Err(Problem::new(
                "LW-1005",
                format!("{} names no tenant.", path.display()),
                "add a [[tenants]] section with id, client_id and client_secret_file",
            )
            .exit(Exit::Usage));
        }
        token_broker::Config {
            tenants: config.tenants.clone(),
        }
        .check()?;
        Ok(config)
    }
}
