//! A snapshot becomes lines: one pass, in constant memory, hashed while it is written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use proto::body::Body;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use sha2::{Digest as _, Sha256};

use super::disk;
use super::index::{Content, hex};
use crate::error::Error;
use crate::project;
use crate::record::{self, LICENSE_ASSIGNMENT, json, unreadable};

/// Lines are collected up to this size, then hashed and written in one go.
const CHUNK: usize = 256 << 10;

/// Writes the files of one snapshot.
pub(super) struct Renderer {
    tenant: TenantId,
    files: BTreeMap<&'static str, Lines>,
}

impl Renderer {
    /// For the files of these kinds in an empty directory. A kind of which there is nothing gets no file there: most
    /// tenants have few kinds, and each file costs the disk.
    pub(super) fn new(tenant: TenantId, dir: &Path, kinds: &[&'static str]) -> Self {
        let files = kinds
            .iter()
            .map(|kind| (*kind, Lines::new(file(dir, kind))));
        Renderer {
            tenant,
            files: files.collect(),
        }
    }

    /// Writes records; other kinds, and those that this release doesn't know, are left out.
    pub(super) fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        for record in records {
            let Some((kind, body)) = record::read(self.tenant, record)? else {
                continue;
            };
            let failed = |e| unreadable(self.tenant, kind.name(), e);
            if let Some(lines) = self.files.get_mut(kind.name()) {
                lines.begin(&record.key);
                json(&body, &mut lines.chunk).map_err(failed)?;
                lines.end()?;
            }
            if let (Body::User(user), Some(lines)) = (&body, self.files.get_mut(LICENSE_ASSIGNMENT))
            {
                lines.begin(&record.key);
                for row in project::license_assignments(user) {
                    json(&row, &mut lines.chunk).map_err(failed)?;
                    lines.end()?;
                }
            }
        }
        Ok(())
    }

    /// Completes the files: when it returns, the disk has them.
    pub(super) fn finish(self) -> Result<BTreeMap<String, Content>, Error> {
        self.files
            .into_iter()
            .map(|(kind, lines)| Ok((kind.to_owned(), lines.finish()?)))
            .collect()
    }
}

/// Where a kind is written in a directory.
pub(super) fn file(dir: &Path, kind: &str) -> PathBuf {
    dir.join(format!("{kind}.ndjson"))
}

/// One file of lines.
struct Lines {
    path: PathBuf,
    /// None until there is something to write.
    file: Option<File>,
    hash: Sha256,
    content: Content,
    chunk: Vec<u8>,
    /// The newest key: ledgers send keys in ascending order.
    last: String,
    sorted: bool,
}

impl Lines {
    fn new(path: PathBuf) -> Self {
        Lines {
            file: None,
            path,
            hash: Sha256::new(),
            content: Content::default(),
            chunk: Vec::new(),
            last: String::new(),
            sorted: true,
        }
    }

    fn begin(&mut self, key: &str) {
        self.sorted &= self.last.as_str() <= key;
        self.last.clear();
        self.last.push_str(key);
    }

    fn end(&mut self) -> Result<(), Error> {
        self.chunk.push(b'\n');
        self.content.count += 1;
        if self.chunk.len() < CHUNK {
            Ok(())
        } else {
            self.flush()
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.hash.update(&self.chunk);
        self.content.bytes += self.chunk.len() as u64;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(disk::create(&self.path)?),
        };
        file.write_all(&self.chunk).map_err(disk::at(&self.path))?;
        self.chunk.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Content, Error> {
        self.flush()?;
        if !self.sorted {
            self.sort()?;
        }
        if let Some(file) = &self.file {
            file.sync_all().map_err(disk::at(&self.path))?;
        }
        Ok(Content {
            sha256: hex(self.hash),
            ..self.content
        })
    }

    /// The same content must give the same file, whatever the order in which it came. Lines start with tenant and
    /// key, so their order is that of the keys. This one way holds a file in memory; no ledger makes us go it.
    fn sort(&mut self) -> Result<(), Error> {
        tracing::debug!(path = %self.path.display(), "the ledger's order is not that of the keys");
        let text = fs::read(&self.path).map_err(disk::at(&self.path))?;
        let mut lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        lines.sort_unstable();
        self.file = Some(disk::create(&self.path)?);
        self.hash = Sha256::new();
        self.content.bytes = 0;
        for line in lines {
            self.chunk.extend_from_slice(line);
            if self.chunk.len() >= CHUNK {
                self.flush()?;
            }
        }
        self.flush()
    }
}
