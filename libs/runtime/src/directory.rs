//! The data directory of an embedded installation: private, versioned, used by one process at a time.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Exit, Problem};

/// The format that this release reads and writes.
const FORMAT: &str = "1";

/// A locked data directory; the lock ends with the value or the process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory (mode 0700) where it is missing, checks its format and takes its lock.
    ///
    /// # Errors
    /// `LW-4010` when it can't be created or written, `LW-4011` when another process has the lock,
    /// `LW-4012` when a newer release wrote it.
    pub fn lock(path: &Path) -> Result<Self, Problem> {
        let failed = |e: std::io::Error| {
            Problem::new(
                "LW-4010",
                format!("the data directory {} can't be used: {e}.", path.display()),
                "check that this user may write it and that the disk is not full, or name another one",
            )
            .exit(Exit::Io)
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(failed)?;
        let lock = open_private(&path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Problem::new(
                    "LW-4011",
                    format!("another process works on the data directory {}.", path.display()),
                    "wait until it has finished, or stop it; commands talk to a running `leastwise run` by themselves",
                )
                .exit(Exit::Busy));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let version = path.join("format");
        match std::fs::read_to_string(&version) {
            Ok(found) if found.trim() == FORMAT => {}
            Ok(found) => {
                return Err(Problem::new(
                    "LW-4012",
                    format!(
                        "the data directory {} has format {}, this release knows {FORMAT}.",
                        path.display(),
                        found.trim()
                    ),
                    "use the release that wrote it, or a new data directory (everything is read again)",
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                open_private(&version)
                    .and_then(|mut f| f.write_all(FORMAT.as_bytes()))
                    .map_err(failed)?;
            }
            Err(e) => return Err(failed(e)),
        }
        Ok(DataDirectory {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// A file in the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Opens or creates a file that only its owner may read.
///
/// # Errors
/// When the system refuses.
pub fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_a_newer_format_too() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirectory::lock(dir.path()).unwrap();
        assert_eq!(DataDirectory::lock(dir.path()).unwrap_err().code, "LW-4011");
        drop(first);
        std::fs::write(dir.path().join("format"), "9").unwrap();
        assert_eq!(DataDirectory::lock(dir.path()).unwrap_err().code, "LW-4012");
    }
}
