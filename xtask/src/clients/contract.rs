//! A client that others' tools make of the contract calls the token-broker.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{LIMIT, install::Clients, tallied};
use crate::tally::Tally;
use crate::workspace;

/// Starts a token-broker before a simulator, lets `script` call it, and stops both.
pub fn judge(clients: &Clients, home: &Path, script: &str) -> Result<Tally> {
    println!("calling the token-broker: {script}");
    let mut run = Command::new("timeout");
    run.current_dir(home)
        .arg(LIMIT)
        .arg(workspace::target().join("debug/distributed"))
        .arg("contract")
        .arg("--python")
        .arg(clients.interpreter(home))
        .arg("--script")
        .arg(clients.script(home, script)?);
    tallied(&mut run, script)
}
