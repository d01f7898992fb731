//! A file that is hashed while it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

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
    chunk: Vec<u8>,
    disk: Disk,
}

/// Where chunks go.
enum Disk {
    /// As long as there is one at most.
    Here(Hashed),
    /// What is larger is hashed and written by a thread of its own, while the next chunk is made.
    Thread(SyncSender<Vec<u8>>, JoinHandle<io::Result<Hashed>>),
    /// It has failed, and said so.
    Failed,
}

/// A file and the hash of what it has.
struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(chunk)
    }

    /// Has the disk begin with the newest bytes, which Linux does when it hears that nobody needs them in memory. Otherwise
    /// it begins when the file is complete, and all wait for it.
    #[cfg(target_os = "linux")]
    fn begin(&self, newest: u64) {
        use rustix::fs::{Advice, fadvise};
        let from = self.bytes - newest;
        // Without it only time is lost.
        let _ = fadvise(&self.file, from, newest.try_into().ok(), Advice::DontNeed);
    }

    #[cfg(not(target_os = "linux"))]
    fn begin(&self, _: u64) {}
}

impl Output {
    /// Creates it in place of what an interrupted pass may have left there.
    pub(crate) fn create(path: &Path) -> io::Result<Output> {
        Ok(Output {
            chunk: Vec::new(),
            disk: Disk::Here(Hashed {
                file: create(path)?,
                hash: Sha256::new(),
                bytes: 0,
            }),
        })
    }

    /// Hands the chunk over.
    fn pass(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK + CHUNK / 8));
        self.disk = match std::mem::replace(&mut self.disk, Disk::Failed) {
            Disk::Here(hashed) => thread(hashed)?,
            other => other,
        };
        match &self.disk {
            Disk::Thread(to, _) if to.send(chunk).is_ok() => Ok(()),
            _ => self.end().map(drop),
        }
    }

    /// Waits until everything is written.
    fn end(&mut self) -> io::Result<Hashed> {
        match std::mem::replace(&mut self.disk, Disk::Failed) {
            Disk::Here(hashed) => Ok(hashed),
            Disk::Thread(to, thread) => {
                drop(to);
                let ended = thread.join();
                ended.unwrap_or_else(|_| Err(io::Error::other("the thread that writes it failed")))
            }
            Disk::Failed => Err(io::Error::other("it could not be written")),
        }
    }

    /// Completes it: when it returns, the disk has it.
    pub(crate) fn finish(mut self) -> io::Result<Written> {
        let mut hashed = self.end()?;
        hashed.write(&self.chunk)?;
        hashed.file.sync_all()?;
        Ok(Written {
            bytes: hashed.bytes,
            sha256: hex(hashed.hash),
        })
    }
}

/// Writes what comes until there is no more.
fn thread(mut hashed: Hashed) -> io::Result<Disk> {
    let (to, chunks) = sync_channel::<Vec<u8>>(2);
    let thread = Builder::new().name("file".to_owned()).spawn(move || {
        for chunk in chunks {
            hashed.write(&chunk)?;
            hashed.begin(chunk.len() as u64);
        }
        Ok(hashed)
    })?;
    Ok(Disk::Thread(to, thread))
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

impl Drop for Output {
    /// Nobody else works at a file that was given up.
    fn drop(&mut self) {
        let _ = self.end();
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
