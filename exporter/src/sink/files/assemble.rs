//! The visible files, put together from the rendered snapshots of all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use proto::ids::TenantId;
use sha2::{Digest as _, Sha256};

use super::index::{Content, Index, Visible, fingerprint, hex};
use super::render::file;
use super::{disk, manifest};
use crate::error::Error;
use crate::record::kinds;

/// The directories of a sink.
#[derive(Clone)]
pub(super) struct Place {
    /// What people read.
    pub dir: PathBuf,
    /// What they don't.
    pub spool: PathBuf,
}

impl Place {
    /// Where the rendered snapshots of a tenant are.
    pub(super) fn tenant(&self, tenant: TenantId) -> PathBuf {
        self.spool.join(tenant.to_string())
    }

    /// Whether every visible file is there with the size that it should have.
    pub(super) fn whole(&self, index: &Index) -> bool {
        let has = |path: &Path, bytes: u64| {
            fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == bytes)
        };
        index.visible.as_ref().is_some_and(|v| {
            kinds().all(|k| {
                v.get(k)
                    .is_some_and(|v| has(&file(&self.dir, k), v.content.bytes))
            }) && manifest::path(&self.dir).is_file()
        })
    }

    /// Brings the visible files to what the index says, and returns the kinds that were written.
    pub(super) fn assemble(&self, index: &mut Index) -> Result<BTreeSet<&'static str>, Error> {
        let whole = self.whole(index);
        let old = index.visible.take().unwrap_or_default();
        let mut visible = BTreeMap::new();
        let mut stale = BTreeSet::new();
        for kind in kinds() {
            let parts = fingerprint(&index.parts(kind));
            match old.get(kind) {
                Some(v) if whole && v.parts == parts => visible.insert(kind.to_owned(), v.clone()),
                _ => {
                    stale.insert(kind);
                    None
                }
            };
        }
        // Everything that may not fit on the disk is written before the first visible file is touched.
        let mut made = Vec::new();
        for kind in &stale {
            let target = file(&self.dir, kind);
            let temporary = disk::temporary(&target);
            let parts = index.parts(kind);
            let content = self.make(kind, &parts, &temporary)?;
            visible.insert(
                (*kind).to_owned(),
                Visible {
                    parts: fingerprint(&parts),
                    content,
                },
            );
            made.push((temporary, target));
        }
        // Stored without what is visible: until the end, nothing is known of the visible files.
        index.store(&self.spool)?;
        for (temporary, target) in &made {
            fs::rename(temporary, target).map_err(disk::at(target))?;
        }
        disk::sync_parent(&manifest::path(&self.dir))?;
        index.visible = Some(visible);
        index.store(&self.spool)?;
        manifest::write(&self.dir, index)?;
        Ok(stale)
    }

    /// Makes the file of a kind. One part alone is the file: it gets a second name and isn't read again.
    fn make(
        &self,
        kind: &str,
        parts: &[(TenantId, &str, &Content)],
        to: &Path,
    ) -> Result<Content, Error> {
        let path = |tenant: TenantId, dir: &str| file(&self.tenant(tenant).join(dir), kind);
        if let [(tenant, dir, content)] = parts {
            disk::link(&path(*tenant, dir), to)?;
            return Ok((*content).clone());
        }
        let mut out = disk::create(to)?;
        let mut hash = Sha256::new();
        let mut whole = Content::default();
        let mut buffer = vec![0; 256 << 10];
        for (tenant, dir, content) in parts {
            let path = path(*tenant, dir);
            let mut source = File::open(&path).map_err(disk::at(&path))?;
            let mut copied = 0;
            loop {
                let n = source.read(&mut buffer).map_err(disk::at(&path))?;
                if n == 0 {
                    break;
                }
                hash.update(&buffer[..n]);
                out.write_all(&buffer[..n]).map_err(disk::at(to))?;
                copied += n as u64;
            }
            if copied != content.bytes {
                return Err(disk::at(&path)(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is not as long as it was",
                )));
            }
            whole.count += content.count;
            whole.bytes += copied;
        }
        out.sync_all().map_err(disk::at(to))?;
        Ok(Content {
            sha256: hex(hash),
            ..whole
        })
    }
}
