//! What lies in the spool, and which of it the visible files show. `PATH/.spool/index.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::feed::v1::DatasetState;
use proto::ids::{Closing, TenantId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::disk;
use crate::error::Error;
use crate::sink::format::{Written, hex};

/// What lies in the spool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    /// How its files are written. Those that were written otherwise count for nothing.
    #[serde(default)]
    pub encoding: String,
    /// The newest rendered snapshot of each tenant.
    pub tenants: BTreeMap<TenantId, Part>,
    /// The visible files by name. Absent from before the first one is touched until the last one is in place, so
    /// that after a crash none of them is taken for what it was.
    pub visible: Option<BTreeMap<String, Visible>>,
}

/// A rendered snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its directory below that of the tenant.
    pub dir: String,
    /// The closing that it shows.
    pub as_of: Closing,
    /// Its files by kind.
    pub kinds: BTreeMap<String, Content>,
    /// The runs behind it.
    pub runs: Vec<Run>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::sink) struct Content {
    /// Lines.
    pub count: u64,
    /// Size.
    pub bytes: u64,
    /// Hash, in hexadecimal.
    pub sha256: String,
}

impl Content {
    pub(in crate::sink) fn new(count: u64, written: Written) -> Self {
        Content {
            count,
            bytes: written.bytes,
            sha256: written.sha256,
        }
    }
}

/// A visible file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Visible {
    /// Hash over the hashes of its parts: the same parts make the same file.
    pub parts: String,
    /// What it holds.
    pub content: Content,
}

/// The newest applied run of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::sink) struct Run {
    pub dataset: String,
    pub run: u64,
    pub pages: u32,
    pub objects: u64,
    pub complete: bool,
    pub changes: u64,
}

impl Index {
    /// Reads the index of a spool; an empty one where there is none, it can't be understood, or its files are written
    /// otherwise.
    pub(in crate::sink) fn load(spool: &Path, encoding: String) -> Result<Self, Error> {
        let path = path(spool);
        let known: Index = match fs::read(&path) {
            // Everything in a spool can be fetched again.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(e) => return Err(disk::at(&path)(e)),
        };
        if known.encoding == encoding {
            return Ok(known);
        }
        Ok(Index {
            encoding,
            ..Index::default()
        })
    }

    /// Replaces the index of a spool.
    pub(in crate::sink) fn store(&self, spool: &Path) -> Result<(), Error> {
        let path = path(spool);
        let bytes = serde_json::to_vec(self).map_err(|e| disk::at(&path)(e.into()))?;
        disk::write(&path, &bytes)
    }

    /// The parts of some kinds that aren't empty, kind by kind and by tenant.
    pub(in crate::sink) fn parts<'i>(&'i self, kinds: &[&'static str]) -> Vec<PartOf<'i>> {
        let of = |kind: &'static str| {
            self.tenants.iter().filter_map(move |(tenant, part)| {
                Some(PartOf {
                    kind,
                    tenant: *tenant,
                    dir: &part.dir,
                    content: part.kinds.get(kind).filter(|c| c.bytes > 0)?,
                })
            })
        };
        kinds.iter().flat_map(|kind| of(kind)).collect()
    }
}

/// What a tenant has of a kind.
pub(super) struct PartOf<'i> {
    pub kind: &'static str,
    pub tenant: TenantId,
    pub dir: &'i str,
    pub content: &'i Content,
}

/// Hash over the hashes of parts.
pub(super) fn fingerprint(parts: &[PartOf<'_>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(&part.content.sha256);
    }
    hex(hash)
}

fn path(spool: &Path) -> PathBuf {
    spool.join("index.json")
}

impl From<&DatasetState> for Run {
    fn from(d: &DatasetState) -> Self {
        Run {
            dataset: d.dataset.clone(),
            run: d.run,
            pages: d.pages,
            objects: d.objects,
            complete: d.complete,
            changes: d.changes,
        }
    }
}
