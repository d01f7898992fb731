//! The user that the server runs as.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::text;

/// The package's, if this process is root's: the server refuses to run as root. Else the same as this process.
pub enum User {
    Same,
    Packages { id: u32 },
}

const NAME: &str = "postgres";

impl User {
    pub fn of_servers() -> Result<Self> {
        match id(&[])? {
            0 => Ok(Self::Packages { id: id(&[NAME])? }),
            _ => Ok(Self::Same),
        }
    }

    /// Gives the user a file or directory.
    pub fn own(&self, path: &Path) -> Result<()> {
        match self {
            Self::Same => Ok(()),
            Self::Packages { id } => {
                chown(path, Some(*id), None).with_context(|| format!("chown {}", path.display()))
            }
        }
    }

    /// What precedes a command in a shell so that it runs as this user, in the same process.
    pub fn prefix(&self) -> String {
        match self {
            Self::Same => String::new(),
            Self::Packages { .. } => {
                format!("setpriv --reuid={NAME} --regid={NAME} --init-groups ")
            }
        }
    }
}

fn id(user: &[&str]) -> Result<u32> {
    let printed = text(Command::new("id").arg("-u").args(user), "")?;
    printed
        .trim()
        .parse()
        .context("`id -u` printed something else than a number")
}
