//! The files of the log: `audit-<number of the first record>.ndjson`, none larger than a limit by much.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::record::{self, BEGINNING};

/// A file that is larger is closed and the next one begun.
const LARGE: u64 = 64 << 20;

/// Where the log ends.
pub(super) struct End {
    file: File,
    directory: PathBuf,
    /// Bytes that are durable.
    length: u64,
    /// Number and hash of the last record.
    pub seq: u64,
    pub hash: String,
}

/// The files in their order.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        if name.starts_with("audit-") && name.ends_with(".ndjson") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl End {
    /// Finds the end; a line that a crash cut in the middle was never answered for and is taken off.
    pub(super) fn find(directory: &Path) -> Result<Self> {
        let Some(path) = files(directory)?.pop() else {
            return Ok(End {
                file: begin(directory, 1)?,
                directory: directory.to_owned(),
                length: 0,
                seq: 0,
                hash: BEGINNING.to_owned(),
            });
        };
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let (mut length, mut last) = (0, String::new());
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            length += line.len() as u64;
            std::mem::swap(&mut last, &mut line);
            line.clear();
        }
        if file.metadata()?.len() > length {
            tracing::warn!(file = %path.display(), length, "the audit log ended in the middle of a record: that part is taken off");
            file.set_len(length)?;
            file.sync_data()?;
        }
        let first = path
            .file_stem()
            .and_then(|n| n.to_str()?.strip_prefix("audit-")?.parse::<u64>().ok());
        let (seq, hash) = match record::read(last.trim_end()) {
            Ok(links) => (links.seq, links.hash),
            Err(_) if last.is_empty() && first == Some(1) => (0, BEGINNING.to_owned()),
            Err(why) => {
                let what = format!("{}: the last record {why}", path.display());
                return Err(std::io::Error::other(what));
            }
        };
        Ok(End {
            file,
            directory: directory.to_owned(),
            length,
            seq,
            hash,
        })
    }

    /// Makes lines durable. After a failure the file is as it was before.
    pub(super) fn append(&mut self, lines: &[u8], seq: u64, hash: String) -> Result<()> {
        if self.length > LARGE {
            self.file = begin(&self.directory, self.seq + 1)?;
            self.length = 0;
        }
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        if let Err(e) = written {
            self.file.set_len(self.length)?;
            return Err(e);
        }
        self.length += lines.len() as u64;
        (self.seq, self.hash) = (seq, hash);
        Ok(())
    }
}

fn begin(directory: &Path, seq: u64) -> Result<File> {
    let path = directory.join(format!("audit-{seq:020}.ndjson"));
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)?;
    // The name is durable too.
    File::open(directory)?.sync_all()?;
    Ok(file)
}
