//! Grafana's own types, which say of a dashboard's file what Grafana doesn't know in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::others::{installation, workspace};
use crate::run;

/// What `tests/dashboards` pins.
pub struct Grafana {
    home: PathBuf,
}

impl Grafana {
    /// `None` where it could not be installed, as [`crate::Python::installed`].
    pub fn installed() -> Result<Option<Self>> {
        let pins = workspace().join("tests/dashboards/package-lock.json");
        Ok(installation("dashboards", &pins)?.map(|home| Self { home }))
    }

    /// How many dashboards of a directory it has looked at; fails with what is wrong with them.
    pub fn judge(&self, dashboards: &Path) -> Result<String> {
        // It finds what is installed beside itself only.
        let script = self.home.join("types.mjs");
        fs::copy(workspace().join("tests/dashboards/types.mjs"), &script)
            .with_context(|| format!("write {}", script.display()))?;
        run::text(Command::new("node").arg(script).arg(dashboards), "")
    }
}
