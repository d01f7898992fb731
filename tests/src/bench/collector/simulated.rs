//! The simulator as a process of its own, and readings of it by other processes.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use graph_sim::TenantInfo;
use serde_json::Value;

use super::reader::tenants;
use super::{last_line, number};
use crate::process::Simulator;

const SEED: u64 = 4_711;

/// A simulator with this scenario.
pub(super) struct Simulated {
    /// The process.
    pub(super) sim: Simulator,
    users: u32,
    _scenario: tempfile::NamedTempFile,
}

impl Simulated {
    /// Starts it.
    pub(super) fn start(users: u32, scenario: &str) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), scenario)?;
        let mut command = Command::new(std::env::current_exe()?.with_file_name("graph-sim"));
        command.args(["--users", &users.to_string(), "--seed", &SEED.to_string()]);
        command.arg("--scenario").arg(file.path());
        Ok(Simulated {
            sim: Simulator::of(&mut command),
            users,
            _scenario: file,
        })
    }

    /// Its tenants.
    pub(super) fn tenants(&self) -> Vec<TenantInfo> {
        tenants(self.sim.text("graph"), self.users, SEED)
    }

    /// What one of our parts says of a reading; it must be whole.
    pub(super) fn read(&self, mut part: Command) -> Result<Value> {
        part.args(["--base", self.sim.text("graph")]);
        part.args(["--users", &self.users.to_string()]);
        part.args(["--seed", &SEED.to_string()]);
        let read = last_line(&mut part)?;
        ensure!(number(&read, "objects")? >= f64::from(self.users), "{read}");
        Ok(read)
    }

    /// What a program of tests/peers says of the same reading.
    pub(super) fn peer(&self, program: &Path) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tenant = self.tenants().remove(0);
        let http = runtime::http::Outbound::open(&runtime::http::Config::default())?.whole();
        let token = runtime.block_on(crate::desk::token(&http, &tenant))?;
        let select = catalog::find("users").map_or(String::new(), |d| d.select.join(","));
        let base = format!("{}/v1.0", tenant.graph);
        last_line(Command::new(program).args([&base, &token, "999", &select]))
    }
}
