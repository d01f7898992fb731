//! A device that keeps keys, made of software and files: SoftHSM. Libraries that speak PKCS#11 with it find it by the
//! environment variable `SOFTHSM2_CONF`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{programs, run};

/// Its tokens, in a directory of their own.
pub struct SoftHsm {
    config: PathBuf,
}

impl SoftHsm {
    /// Without a token, in a directory that is made if need be.
    pub fn new(directory: &Path) -> Result<Self> {
        let tokens = directory.join("tokens");
        fs::create_dir_all(&tokens).with_context(|| format!("make {}", tokens.display()))?;
        let config = directory.join("softhsm2.conf");
        let text = format!("directories.tokendir = {}\n", tokens.display());
        fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        Ok(SoftHsm { config })
    }

    /// What `SOFTHSM2_CONF` must name.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The library that is loaded to use it.
    pub fn module() -> Result<PathBuf> {
        programs::softhsm()
    }

    /// Makes a token, which its user's PIN opens.
    pub fn token(&self, label: &str, pin: &str) -> Result<()> {
        self.util(&["--init-token", "--free", "--label", label, "--pin", pin])
            .map(drop)
    }

    /// Puts a private key (PKCS#8 in PEM) into a token; `id` is in hexadecimal digits.
    pub fn import(&self, token: &str, pin: &str, key: &Path, label: &str, id: &str) -> Result<()> {
        let key = key.to_str().context("the key's path is no text")?;
        let place = ["--token", token, "--pin", pin, "--label", label, "--id", id];
        self.util(&[&["--import", key], &place[..]].concat())
            .map(drop)
    }

    fn util(&self, arguments: &[&str]) -> Result<String> {
        let mut util = Command::new("softhsm2-util");
        util.env("SOFTHSM2_CONF", &self.config).args(arguments);
        if arguments.contains(&"--init-token") {
            // Of the security officer, who is never asked for anything here.
            util.args(["--so-pin", "officer"]);
        }
        run::text(&mut util, "")
    }
}
