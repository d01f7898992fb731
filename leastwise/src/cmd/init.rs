//! `leastwise init`: a commented configuration file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use proto::ids::TenantId;
use runtime::Problem;
use runtime::error::Exit;
use url::Url;

use crate::output;

/// Write a commented configuration file.
///
/// Whatever is not given stays as a placeholder to fill in. The client secret itself is never given on the command
/// line: it belongs into the file that the configuration names.
#[derive(Args)]
pub struct Init {
    /// Directory (tenant) id.
    #[arg(long, value_name = "GUID")]
    pub tenant_id: Option<TenantId>,
    /// Application (client) id of the app registration.
    #[arg(long, value_name = "GUID")]
    pub client_id: Option<String>,
    /// File that holds the client secret.
    #[arg(long, value_name = "FILE", default_value = "client-secret")]
    pub client_secret_file: PathBuf,
    /// Login endpoint; only for national clouds or a simulator.
    #[arg(long, value_name = "URL")]
    pub authority: Option<Url>,
    /// Root of Microsoft Graph; only for national clouds or a simulator.
    #[arg(long, value_name = "URL")]
    pub graph: Option<Url>,
    /// Where ledger, queue and state rest.
    #[arg(long, value_name = "DIR", default_value = "leastwise-data")]
    pub data_dir: PathBuf,
    /// Where the inventory files go.
    #[arg(long, value_name = "DIR", default_value = "inventory")]
    pub inventory: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    pub force: bool,
}

impl Init {
    /// Writes the file.
    ///
    /// # Errors
    /// `LW-1006` when it exists already or can't be written.
    pub fn run(self, path: &Path) -> Result<ExitCode, Problem> {
        if path.exists() && !self.force {
            let what = format!("{} exists already.", path.display());
            return Err(Problem::new(
                "LW-1006",
                what,
                "use --force to replace it, or --config to name another file",
            )
            .exit(Exit::Usage));
        }
        self.write(path)?;
        output::write(&format!(
            "{} is written. Next:\n  1. put the client secret into {} (readable by you only)\n  2. leastwise sync --config {}\n",
            path.display(),
            self.client_secret_file.display(),
            path.display(),
        ))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the file without looking.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        std::fs::write(path, self.text()).map_err(|e| {
            let what = format!("{} can't be written: {e}.", path.display());
            Problem::new("LW-1006", what, "check the directory and its free space").exit(Exit::Io)
        })
    }

    fn text(&self) -> String {
        let set = |key: &str, value: Option<String>, fallback: &str| match value {
            Some(value) => format!("{key} = {}", quoted(&value)),
            None => format!("# {key} = {}", quoted(fallback)),
        };
        let base = |url: &Option<Url>| {
            url.as_ref()
                .map(|u| u.as_str().trim_end_matches('/').to_owned())
        };
        let placeholder = "00000000-0000-0000-0000-000000000000";
        let tenant = self
            .tenant_id
            .map_or(placeholder.to_owned(), |t| t.to_string());
        format!(
            include_str!("leastwise.toml.txt"),
            data_dir = quoted(&self.data_dir.display().to_string()),
            tenant = quoted(&tenant),
            client = quoted(self.client_id.as_deref().unwrap_or(placeholder)),
            secret = quoted(&self.client_secret_file.display().to_string()),
            authority = set(
                "authority",
                base(&self.authority),
                "https://login.microsoftonline.com"
            ),
            graph = set("graph", base(&self.graph), "https://graph.microsoft.com"),
            inventory = quoted(&self.inventory.display().to_string()),
        )
    }
}

/// A TOML basic string is written as JSON writes one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        init: Init,
    }

    #[test]
    fn what_is_written_can_be_read_with_the_defaults_that_it_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leastwise.toml");
        let args = [
            "x",
            "--tenant-id",
            "11111111-2222-3333-4444-555555555555",
            "--graph",
            "http://127.0.0.1:1/",
        ];
        let init = Command::parse_from(args).init;
        init.write(&path).unwrap();
        let config = crate::Config::load(&path).unwrap();
        assert_eq!(
            config.tenants[0].graph.as_ref().unwrap().as_str(),
            "http://127.0.0.1:1/"
        );
        assert_eq!(
            config.collector.lateness_seconds,
            collector::Config::default().lateness_seconds
        );
        let shown = std::fs::read_to_string(&path).unwrap();
        // Every commented setting is a real key with its default.
        let setting = |l: &&str| l.contains(" = ") || l.starts_with('[');
        let all = shown
            .lines()
            .map(|l| l.strip_prefix("# ").filter(setting).unwrap_or(l));
        let uncommented = all.collect::<Vec<_>>().join("\n");
        std::fs::write(&path, &uncommented).unwrap();
        crate::Config::load(&path).unwrap();
        assert!(
            init.run(&path)
                .unwrap_err()
                .to_string()
                .contains("exists already")
        );
    }
}
