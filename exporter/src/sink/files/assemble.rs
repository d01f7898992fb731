//! The visible files, put together from the rendered snapshots of all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::ids::TenantId;

use super::index::{Content, Index, PartOf, Visible, fingerprint};
use super::{disk, leftovers, manifest};
use crate::error::Error;
use crate::sink::format::{Encoding, Target};

/// The directories of a sink, and what its files are.
#[derive(Clone)]
pub(super) struct Place {
    /// What people read.
    pub dir: PathBuf,
    /// What they don't.
    pub spool: PathBuf,
    /// What files are.
    pub encoding: Encoding,
}

impl Place {
    /// Where the rendered snapshots of a tenant are.
    pub(super) fn tenant(&self, tenant: TenantId) -> PathBuf {
        self.spool.join(tenant.to_string())
    }

    /// What lies in the spool.
    pub(super) fn index(&self) -> Result<Index, Error> {
        Index::load(&self.spool, self.encoding.fingerprint())
    }

    /// Whether every visible file is there with the size that it should have.
    pub(super) fn whole(&self, index: &Index) -> bool {
        let has = |path: &Path, bytes: u64| {
            fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == bytes)
        };
        index.visible.as_ref().is_some_and(|v| {
            self.encoding.targets().iter().all(|t| {
                v.get(&t.name)
                    .is_some_and(|v| has(&self.dir.join(&t.name), v.content.bytes))
            }) && manifest::path(&self.dir).is_file()
        })
    }

    /// Brings the visible files to what the index says, and returns the kinds that were written.
    pub(super) fn assemble(&self, index: &mut Index) -> Result<BTreeSet<&'static str>, Error> {
        let whole = self.whole(index);
        let old = index.visible.take().unwrap_or_default();
        let mut visible = BTreeMap::new();
        let mut stale = Vec::new();
        for target in self.encoding.targets() {
            let parts = fingerprint(&index.parts(&target.kinds));
            match old.get(&target.name) {
                Some(v) if whole && v.parts == parts => {
                    visible.insert(target.name, v.clone());
                }
                _ => stale.push(target),
            }
        }
        // Everything that may not fit on the disk is written before the first visible file is touched.
        let mut made = Vec::new();
        for target in &stale {
            let path = self.dir.join(&target.name);
            let temporary = disk::temporary(&path);
            let parts = index.parts(&target.kinds);
            let content = self.make(target, &parts, &temporary)?;
            let parts = fingerprint(&parts);
            visible.insert(target.name.clone(), Visible { parts, content });
            made.push((temporary, path));
        }
        // Stored without what is visible: until the end, nothing is known of the visible files.
        index.store(&self.spool)?;
        for (temporary, target) in &made {
            fs::rename(temporary, target).map_err(disk::at(target))?;
        }
        disk::sync_parent(&manifest::path(&self.dir))?;
        let keep = visible.keys().map(PathBuf::from).collect();
        index.visible = Some(visible);
        index.store(&self.spool)?;
        manifest::write(&self.dir, &self.encoding, index)?;
        leftovers::remove(&self.dir, &keep);
        Ok(stale.into_iter().flat_map(|t| t.kinds).collect())
    }

    /// Makes a visible file. One part alone is the file: it gets a second name and isn't read again.
    fn make(&self, target: &Target, parts: &[PartOf<'_>], to: &Path) -> Result<Content, Error> {
        let mut paths = Vec::new();
        for part in parts {
            let dir = self.tenant(part.tenant).join(part.dir);
            let path = self.encoding.file(&dir, part.kind);
            let bytes = fs::metadata(&path).map_err(disk::at(&path))?.len();
            if bytes != part.content.bytes {
                let why = io::Error::new(io::ErrorKind::InvalidData, "it is not as long as it was");
                return Err(disk::at(&path)(why));
            }
            paths.push((part.kind, path));
        }
        if let ([part], [(_, path)]) = (parts, paths.as_slice())
            && self.encoding.is_target()
        {
            disk::link(path, to)?;
            return Ok(part.content.clone());
        }
        let written = self.encoding.join(target, &paths, to);
        let written = written.map_err(|fault| fault.at(to))?;
        let count = parts.iter().map(|part| part.content.count).sum();
        Ok(Content::new(count, written))
    }
}
