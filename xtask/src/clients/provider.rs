//! An OpenID provider that others wrote gives the token-broker its tokens.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use servers::{Pki, Validity};

use super::{LIMIT, install::Clients, tallied};
use crate::tally::Tally;
use crate::workspace;

/// Starts one by `script` on a port of its own, lets the token-broker ask it, and stops it.
pub fn judge(clients: &Clients, home: &Path, script: &str) -> Result<Tally> {
    println!("asking for tokens: {script}");
    let directory = tempfile::tempdir()?;
    let pki = Pki::new(directory.path())?;
    let tls = pki.issue("provider", None, &["localhost"], Validity::Good)?;
    let mut run = Command::new("timeout");
    run.current_dir(home)
        .arg(LIMIT)
        .arg(workspace::target().join("debug/distributed"))
        .arg("provider")
        .arg("--node")
        .arg(clients.interpreter(home))
        .arg("--script")
        .arg(clients.script(home, script)?)
        .arg("--certificate")
        .arg(tls.certificate)
        .arg("--key")
        .arg(tls.key)
        .env("SSL_CERT_FILE", tls.ca)
        .env("NO_PROXY", "127.0.0.1,localhost");
    tallied(&mut run, script)
}
