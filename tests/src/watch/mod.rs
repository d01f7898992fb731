//! What watches an installation: the files of `deploy/grafana` and `deploy/prometheus`, and the pages of `docs/runbook`.

pub mod boards;
pub mod faults;
pub mod letter;
pub mod promql;
mod world;

use std::path::{Path, PathBuf};

pub use world::Watched;

/// A path below the workspace.
pub fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The names of the alerts, as their files have them; one that has two severities is there twice.
pub fn alerts() -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in ["alerts", "budgets"] {
        let text = std::fs::read_to_string(workspace(&format!("deploy/prometheus/{file}.yaml")))?;
        let named = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "));
        names.extend(named.map(str::to_owned));
    }
    Ok(names)
}
