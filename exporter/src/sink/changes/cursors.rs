//! Where the feed stands in every ledger, in a file beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use proto::ids::{Closing, TenantId};
use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::error::Error;
use crate::sink::files::disk;

/// The file.
pub(super) struct Cursors(pub PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    closing: Closing,
    key: String,
    as_of: Closing,
    mark: Closing,
}

impl Cursors {
    /// None where there is no file or it can't be understood: then the feed goes on with snapshots.
    pub(super) fn read(&self) -> Result<BTreeMap<TenantId, Cursor>, Error> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(disk::at(&self.0)(e)),
        };
        let stored: BTreeMap<TenantId, Stored> = serde_json::from_slice(&bytes).unwrap_or_default();
        let cursor = |s: Stored| Cursor {
            closing: s.closing,
            key: s.key,
            as_of: s.as_of,
            mark: s.mark,
        };
        let each = stored.into_iter();
        Ok(each.map(|(tenant, s)| (tenant, cursor(s))).collect())
    }

    /// Replaces the file.
    pub(super) fn write(&self, cursors: &BTreeMap<TenantId, Cursor>) -> Result<(), Error> {
        let stored = |c: &Cursor| Stored {
            closing: c.closing,
            key: c.key.clone(),
            as_of: c.as_of,
            mark: c.mark,
        };
        let all: BTreeMap<_, _> = cursors.iter().map(|(t, c)| (t, stored(c))).collect();
        let bytes = serde_json::to_vec(&all).map_err(|e| disk::at(&self.0)(e.into()))?;
        disk::write(&self.0, &bytes)
    }
}
