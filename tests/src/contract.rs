//! The token-broker for a client that others' tools made of the contract. `cargo xtask clients` runs it.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::broker::{TRUST, TokenBroker};
use crate::process::Simulator;

/// The client's programs.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Python, with grpcio-tools
    #[arg(long)]
    python: PathBuf,
    /// `contract.py`, beside what it needs
    #[arg(long)]
    script: PathBuf,
}

/// Starts a token-broker before a simulated tenant and runs the script, which says of each check whether it passes.
///
/// # Errors
/// When the script doesn't start.
pub fn run(args: &Args) -> Result<ExitCode> {
    let sim = Simulator::start(5, 1);
    let mut broker = TokenBroker::new(&format!(
        "policy_file = 'policy.toml'\n[[tenants]]\n{}client_secret_file = 'secret'\n",
        TokenBroker::section(&sim)
    ));
    broker.write("secret", sim.text("clientSecret"));
    broker.write(
        "policy.toml",
        &format!("[[callers]]\nidentity = '{TRUST}/collector'\npools = ['default']\n"),
    );
    broker.start(&[]);
    let mut identities = serde_json::Map::new();
    for name in ["collector", "other", "stranger", "operator"] {
        let tls = broker.identity(name);
        let files = json!({"certificate": tls.cert_file, "key": tls.key_file});
        identities.insert(name.to_owned(), files);
    }
    let given = json!({
        "tenants": [sim.tenant],
        "ca": broker.path("operator/pki/ca.pem"),
        "broker": {
            "port": broker.grpc(),
            "proto": concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/proto"),
            "identities": identities,
        },
    });
    let ended = Command::new(&args.python)
        .arg(&args.script)
        .env("GRAPH_SIM", given.to_string())
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .context("run the script")?;
    Ok(match ended.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
