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

/// What lies in the spool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    /// The newest rendered snapshot of each tenant.
    pub tenants: BTreeMap<TenantId, Part>,
    /// The visible files by kind. Absent from before the first one is touched until the last one is in place, so
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
pub(super) struct Content {
    /// Lines.
    pub count: u64,
    /// Size.
    pub bytes: u64,
    /// Hash, in hexadecimal.
    pub sha256: String,
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
pub(super) struct Run {
    pub dataset: String,
    pub run: u64,
    pub pages: u32,
    pub objects: u64,
    pub complete: bool,
    pub changes: u64,
}

impl Index {
    /// Reads the index of a spool; an empty one where there is none or it can't be understood.
    pub(super) fn load(spool: &Path) -> Result<Self, Error> {
        let path = path(spool);
        match fs::read(&path) {
            // Everything in a spool can be fetched again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(e) => Err(disk::at(&path)(e)),
        }
    }

    /// Replaces the index of a spool.
    pub(super) fn store(&self, spool: &Path) -> Result<(), Error> {
        let path = path(spool);
        let bytes = serde_json::to_vec(self).map_err(|e| disk::at(&path)(e.into()))?;
        disk::write(&path, &bytes)
    }

    /// The parts of a kind that aren't empty, by tenant: (tenant, directory, content).
    pub(super) fn parts(&self, kind: &str) -> Vec<(TenantId, &str, &Content)> {
        self.tenants
            .iter()
            .filter_map(|(t, p)| p.kinds.get(kind).map(|c| (*t, p.dir.as_str(), c)))
            .filter(|(_, _, c)| c.bytes > 0)
            .collect()
    }
}

/// Hash over the hashes of parts.
pub(super) fn fingerprint(parts: &[(TenantId, &str, &Content)]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|(_, _, c)| hash.update(&c.sha256));
    hex(hash)
}

/// A finished hash in hexadecimal.
pub(super) fn hex(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing to a String can't fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
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
