//! A file that is hashed while it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use sha2::{Digest as _, Sha256};

/// What is written is collected up to this size, then hashed and written in one go.
const CHUNK: usize = 512 << 10;

/// So many chunks wait for the disk before nothing more is made.
const CHUNKS: usize = 4;

/// The disk begins when so many bytes wait for it: each beginning costs it a request.
const ENOUGH: u64 = 2 << 20;

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
    Thread(Chunks, JoinHandle<io::Result<Hashed>>),
    /// It has failed, and said so.
    Failed,
}

/// To a thread and back.
struct Chunks {
    to: SyncSender<Vec<u8>>,
    /// Empty again.
    back: Receiver<Vec<u8>>,
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

    /// Has bytes appended where they are collected, instead of copying them there.
    pub(super) fn append<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        let appended = append(&mut self.chunk);
        if self.chunk.len() >= CHUNK {
            self.pass()?;
        }
        Ok(appended)
    }

    /// Hands the chunk over.
    fn pass(&mut self) -> io::Result<()> {
        self.disk = match std::mem::replace(&mut self.disk, Disk::Failed) {
            Disk::Here(hashed) => thread(hashed)?,
            other => other,
        };
        if let Disk::Thread(chunks, _) = &self.disk {
            let empty = chunks.back.try_recv();
            let empty = empty.unwrap_or_else(|_| Vec::with_capacity(CHUNK + CHUNK / 8));
            if chunks
                .to
                .send(std::mem::replace(&mut self.chunk, empty))
                .is_ok()
            {
                return Ok(());
            }
        }
        self.end().map(drop)
    }

    /// Waits until everything is written.
    fn end(&mut self) -> io::Result<Hashed> {
        match std::mem::replace(&mut self.disk, Disk::Failed) {
            Disk::Here(hashed) => Ok(hashed),
            Disk::Thread(chunks, thread) => {
                drop(chunks);
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
    let (to, chunks) = sync_channel::<Vec<u8>>(CHUNKS);
    let (emptied, back) = channel();
    let thread = Builder::new().name("file".to_owned()).spawn(move || {
        let mut waiting = 0;
        for mut chunk in chunks {
            hashed.write(&chunk)?;
            waiting += chunk.len() as u64;
            if waiting >= ENOUGH {
                hashed.begin(std::mem::take(&mut waiting));
            }
            chunk.clear();
            // At the end nobody takes it.
            let _ = emptied.send(chunk);
        }
        Ok(hashed)
    })?;
    Ok(Disk::Thread(Chunks { to, back }, thread))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(|chunk| chunk.extend_from_slice(bytes))?;
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
