//! What an image has of a system, where it is built from nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::text;

/// The authorities that this machine trusts, from Debian's package `ca-certificates`.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whom the programs run as; 65532 is what images without a system call `nonroot`.
const FILES: [(&str, &str); 3] = [
    ("etc/passwd", "nonroot:x:65532:65532:nonroot:/:/\n"),
    ("etc/group", "nonroot:x:65532:\n"),
    // What the C library asks by itself: no module has to be loaded for it.
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// Writes what becomes the root of an image.
///
/// # Errors
/// When this machine trusts nobody, or files can't be written.
pub fn root(directory: &Path) -> Result<()> {
    for (name, content) in FILES {
        write(&directory.join(name), content.as_bytes())?;
    }
    let authorities = fs::read(AUTHORITIES).with_context(|| {
        format!("read {AUTHORITIES}, which Debian's package ca-certificates brings")
    })?;
    write(
        &directory.join("etc/ssl/certs/ca-certificates.crt"),
        &authorities,
    )
}

/// Adds the shared libraries of a program that is not static, and its loader.
///
/// # Errors
/// When they are not found.
pub fn libraries(directory: &Path, program: &Path) -> Result<()> {
    let listed = text(Command::new("ldd").arg(program), "")?;
    // `name => /path (0x…)`, or `/path (0x…)` for the loader.
    let paths = listed.lines().filter_map(|line| {
        let path = line.split_whitespace().find(|word| word.starts_with('/'))?;
        path.strip_prefix('/')
    });
    for path in paths {
        let library = Path::new("/").join(path);
        write(&directory.join(path), &fs::read(&library)?)?;
        let mode = fs::metadata(&library)?.permissions();
        fs::set_permissions(directory.join(path), mode)?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}
