//! Private files that are there as a whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sink::format::output;

/// Adds the place to an error of the system.
pub(in crate::sink) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::File { path, source }
}

/// Creates a directory and those above it, for its owner alone.
pub(in crate::sink) fn create_dir(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))
}

/// Creates a file for its owner alone, in place of what an interrupted pass may have left there.
pub(in crate::sink) fn create(path: &Path) -> Result<File, Error> {
    output::create(path).map_err(at(path))
}

/// Takes the lock that a file stands for; `None` while another process has it.
pub(in crate::sink) fn lock(path: &Path) -> Result<Option<File>, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: whoever shares it between exporters is on his own.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(Some(file)),
        Err(TryLockError::Error(e)) => Err(at(path)(e)),
    }
}

/// Removes a file, if it is there.
pub(in crate::sink) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path)(e)),
        _ => Ok(()),
    }
}

/// Puts a finished file in its place, and waits until the disk has it there.
pub(in crate::sink) fn put(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(at(to))?;
    sync_parent(to)
}

/// Replaces a small file.
pub(in crate::sink) fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = temporary(path);
    let mut file = create(&temporary)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(at(path))?;
    put(&temporary, path)
}

/// Where a file is made before it is put in its place: beside it, hidden.
pub(in crate::sink) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Waits until the disk knows the names in the directory of `path`.
pub(in crate::sink) fn sync_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    // A directory can't be opened for this everywhere; where it can't, the system orders names by itself.
    match File::open(parent) {
        Ok(dir) if cfg!(unix) => dir.sync_all().map_err(at(parent)),
        _ => Ok(()),
    }
}

/// A second name for a finished file, or a copy where the file system has no second names.
pub(in crate::sink) fn link(from: &Path, to: &Path) -> Result<(), Error> {
    remove(to)?;
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(at(from)(e)),
        Err(_) => {
            let mut file = create(to)?;
            let mut source = File::open(from).map_err(at(from))?;
            io::copy(&mut source, &mut file)
                .and_then(|_| file.sync_all())
                .map_err(at(to))
        }
    }
}
