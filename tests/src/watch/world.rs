//! An installation of real processes, and the Prometheus that watches it by the rules of `deploy/prometheus`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use servers::{Prometheus, prometheus, wait_until};

use super::workspace;
use crate::cluster::program;
use crate::dev::{Args, Installation};

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Both, and the simulator's tenants.
pub struct Watched {
    /// Asked first, ended first.
    pub prometheus: Prometheus,
    /// The services and what they use.
    pub it: Installation,
    /// The tenants' ids.
    pub tenants: Vec<String>,
}

impl Watched {
    /// Starts both. Everything is looked at each `seconds`, which are 15 in production.
    ///
    /// # Errors
    /// When something doesn't start.
    pub fn start(
        args: &Args,
        seconds: u64,
        adjust: &dyn Fn(&str, String) -> String,
    ) -> Result<Self> {
        let it = Installation::start_with(args, adjust)?;
        let mut rules = Vec::new();
        for name in ["alerts.yaml", "budgets.yaml"] {
            let text = fs::read_to_string(workspace("deploy/prometheus").join(name))?;
            let usual = "interval: 15s";
            if !text.contains(usual) {
                bail!("{name} has no `{usual}`");
            }
            let path = it.path(name);
            fs::write(&path, text.replace(usual, &format!("interval: {seconds}s")))?;
            rules.push(path);
        }
        let targets = it.replicas.iter().map(|replica| {
            let service = ("service", replica.service.to_owned());
            (replica.http, vec![service])
        });
        let prometheus = Prometheus::start(&prometheus::Options {
            interval_seconds: seconds,
            targets: targets.collect(),
            rules,
        })?;
        let mut watched = Watched {
            prometheus,
            it,
            tenants: Vec::new(),
        };
        let tenants: Value = serde_json::from_str(&watched.control("GET", "tenants", "")?)?;
        let tenants = tenants.as_array().context("no tenants")?;
        let ids = tenants.iter().filter_map(|t| t["id"].as_str());
        watched.tenants = ids.map(str::to_owned).collect();
        Ok(watched)
    }

    /// Asks a control endpoint of the simulator; the answer's body.
    ///
    /// # Errors
    /// When it refuses.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let address = self.it.control.trim_start_matches("http://");
        let (address, base) = address.split_once('/').context("no path")?;
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} /{base}/{path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        if head
            .split(' ')
            .nth(1)
            .is_none_or(|status| !status.starts_with('2'))
        {
            bail!("the simulator refuses {method} {path} {body}: {head}");
        }
        Ok(body.to_owned())
    }

    /// Runs `leastwise` as the operator: whether it succeeded, and what it printed.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn leastwise(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let mut command = program("leastwise");
        command.arg("--config").arg(self.it.path("leastwise.toml"));
        let ended = command.args(arguments).output()?;
        let printed = [ended.stdout, ended.stderr].concat();
        Ok((
            ended.status.success(),
            String::from_utf8_lossy(&printed).into_owned(),
        ))
    }

    /// Lets the token-broker forget a tenant's tokens: the next one is asked for with what is there now.
    ///
    /// # Errors
    /// When an operator may not do that.
    pub fn forget_tokens(&self, tenant: usize) -> Result<()> {
        let id = self.tenants[tenant].clone();
        for act in ["kill", "revive"] {
            let (done, said) = self.leastwise(&[act, &id, "--reason", "new credentials"])?;
            if !done {
                bail!("{act}: {said}");
            }
        }
        Ok(())
    }

    /// Has everything read, to whatever end.
    ///
    /// # Errors
    /// When the command can't be started.
    pub fn sync(&self) -> Result<String> {
        self.leastwise(&["sync"]).map(|(_, printed)| printed)
    }

    /// A statement of who owns the server, in the database of a service.
    ///
    /// # Errors
    /// When it fails.
    pub fn sql(&self, service: &str, statement: &str) -> Result<String> {
        self.it
            .postgres
            .sql(&format!("leastwise_{service}"), statement)
    }

    /// The file with a tenant's client secret.
    pub fn secret(&self, tenant: usize) -> PathBuf {
        self.it.path(&format!("secrets/tenant-{tenant}"))
    }

    /// Waits for an alert with these labels that fires.
    ///
    /// # Errors
    /// When none does in time.
    pub fn until_it_fires(&self, name: &str, labels: &[(&str, &str)]) -> Result<Value> {
        let mut found = None;
        let fires = wait_until(&format!("{name} {labels:?} fires"), LIMIT, || {
            found = self.firing(name, labels)?;
            Ok(found.is_some())
        });
        fires.with_context(|| self.what_fires())?;
        found.ok_or_else(|| anyhow!("{name} doesn't fire"))
    }

    /// Waits until no alert with these labels fires.
    ///
    /// # Errors
    /// When one still does in the end.
    pub fn until_it_ends(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        wait_until(&format!("{name} {labels:?} ends"), LIMIT, || {
            Ok(self.firing(name, labels)?.is_none())
        })
    }

    /// An alert with these labels that fires, if there is one.
    ///
    /// # Errors
    /// When Prometheus doesn't answer.
    pub fn firing(&self, name: &str, labels: &[(&str, &str)]) -> Result<Option<Value>> {
        let fits = |alert: &Value| {
            alert["state"] == "firing"
                && alert["labels"]["alertname"] == name
                && labels.iter().all(|(k, v)| alert["labels"][k] == *v)
        };
        Ok(self.prometheus.alerts()?.into_iter().find(fits))
    }

    /// The alerts that fire or are about to, a line each.
    pub fn what_fires(&self) -> String {
        let alerts = self.prometheus.alerts().unwrap_or_default();
        let lines = alerts
            .iter()
            .map(|a| format!("{} {}", a["state"], a["labels"]));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Sends a signal to a process of the installation.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, id: u32, name: &str) -> Result<()> {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id.to_string()])
            .status()?;
        if !sent.success() {
            bail!("no process {id}");
        }
        Ok(())
    }
}
