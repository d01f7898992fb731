//! A file that is hashed while it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// What is written is collected up to this size, then hashed and written in one go.
const CHUNK: usize = 256 << 10;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Size.
    pub bytes: u64,
    /// Hash, in hexadecimal.
    pub sha256: String,
}

/// A new file, for its owner alone.
pub(crate) struct Output {
    file: File,
    hash: Sha256,
    bytes: u64,
    chunk: Vec<u8>,
}

impl Output {
    /// Creates it in place of what an interrupted pass may have left there.
    pub(crate) fn create(path: &Path) -> io::Result<Output> {
        Ok(Output {
            file: create(path)?,
            hash: Sha256::new(),
            bytes: 0,
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    fn pass(&mut self) -> io::Result<()> {
        self.hash.update(&self.chunk);
        self.bytes += self.chunk.len() as u64;
        self.file.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Completes it: when it returns, the disk has it.
    pub(crate) fn finish(mut self) -> io::Result<Written> {
        self.pass()?;
        self.file.sync_all()?;
        Ok(Written {
            bytes: self.bytes,
            sha256: hex(self.hash),
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.pass()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Creates a file for its owner alone, in place of what an interrupted pass may have left there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // create_new: never through a link that somebody put there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Appends what stands in a file after its first `skip` bytes.
pub(crate) fn copy(from: &Path, skip: u64, to: &mut impl Write) -> io::Result<()> {
    let mut source = File::open(from)?;
    io::Seek::seek(&mut source, io::SeekFrom::Start(skip))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n])?,
        }
    }
}

/// A finished hash in hexadecimal.
pub(crate) fn hex(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing to a String can't fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}
