//! The command line of the `graph-sim` binary.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::MOST_USERS;
use crate::{Config, Scenario, Sim};

/// Microsoft Graph v1.0 and the Entra ID token endpoint, simulated.
#[derive(Debug, clap::Parser)]
#[command(name = "graph-sim", version)]
pub struct Args {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Users of each tenant on day 0.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_USERS)))]
    pub users: u32,
    /// Number of tenants.
    #[arg(long, default_value_t = 1)]
    pub tenants: u16,
    /// Equal seeds give equal data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Seconds that replicas may be late; without it all answers are current.
    #[arg(long)]
    pub lag: Option<u64>,
    /// What the simulation does to its clients: a TOML or JSON file, see docs/trouble.md.
    #[arg(long, value_parser = scenario)]
    pub scenario: Option<Scenario>,
    /// Application permissions of every tenant's application, instead of those that an inventory of users needs.
    #[arg(long, value_delimiter = ',', value_name = "PERMISSION,...")]
    pub roles: Vec<String>,
    /// Speak HTTPS only. The ready line says in `ca` where the certificate is that clients must trust.
    #[cfg(feature = "tls")]
    #[arg(long)]
    pub tls: bool,
    /// Write that certificate here. Without this, to a file that is removed in the end.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca_file: Option<std::path::PathBuf>,
}

fn scenario(path: &str) -> Result<Scenario, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    Scenario::parse(&text)
}

impl Args {
    /// The simulation that was asked for, reached at `base`. Its time runs with the clock on the wall.
    pub fn sim(&self, base: &str) -> Sim {
        let mut config = Config {
            users: self.users,
            tenants: self.tenants,
            seed: self.seed,
            lag: self.lag.map(Duration::from_secs),
            base: Some(base.to_owned()),
            wall_clock: true,
            ..Config::default()
        };
        if !self.roles.is_empty() {
            config.roles.clone_from(&self.roles);
        }
        if let Some(scenario) = self.scenario.clone() {
            scenario.apply(&mut config);
        }
        Sim::new(config)
    }
}

/// The line that says where everything is.
pub fn ready(sim: &Sim, base: &str) -> Value {
    json!({ "tenants": sim.tenants(), "control": format!("{base}/_control") })
}

/// Waits for SIGINT or SIGTERM.
pub async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn scenarios_that_come_along_are_good() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scenarios");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let args = Args::try_parse_from(["graph-sim", "--scenario", path.to_str().unwrap()]);
            assert!(!args.unwrap().scenario.unwrap().about.is_empty());
            read += 1;
        }
        assert!(read >= 4);
        let missing = Args::try_parse_from(["graph-sim", "--scenario", "nowhere.toml"]);
        assert!(missing.is_err());
    }
}
