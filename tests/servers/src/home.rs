//! The directory in which a server keeps everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::guard::Guard;

/// A server's directory, and whether it outlives the server.
pub struct Home {
    /// Absolute.
    pub path: PathBuf,
    /// It is the caller's and stays.
    pub stays: bool,
}

impl Home {
    /// `fixed`, which is made if need be and stays, or a new temporary directory.
    pub fn new(server: &str, fixed: Option<&Path>) -> Result<Self> {
        let Some(path) = fixed else {
            let temporary = tempfile::Builder::new()
                .prefix(&format!("leastwise-{server}-"))
                .tempdir()
                .context("make a temporary directory")?;
            // From here on the guard removes it: this process may not live to do so.
            return Ok(Self {
                path: temporary.keep(),
                stays: false,
            });
        };
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self {
            path: path.canonicalize()?,
            stays: true,
        })
    }

    /// A file in the directory that only its owner can read.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(name);
        write_private(&path, content.as_ref())?;
        Ok(path)
    }
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        fs::write(path, "")?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        fs::write(path, content)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// What a server that did not start wrote last.
pub fn last_words(guard: &Guard) -> String {
    let log = fs::read(guard.log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
