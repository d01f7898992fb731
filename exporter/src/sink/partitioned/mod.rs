//! The current inventory as one file a tenant and kind, and a manifest, in a directory or in a bucket.
//!
//! Mapping: `tenant=<id>/kind=<kind>/part-00000-<hash>.<format>`, named after what is in it. Idempotency: what is the same
//! has the same name, so an interrupted delivery is repeated without harm. A file never changes; the manifest, written
//! last, names those that make up one whole state. Those that it no longer names are removed after it.

#[cfg(feature = "object-store")]
mod bucket;
mod local;
mod manifest;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use proto::ids::{Closing, TenantId};
use tokio::sync::mpsc;

use self::manifest::{Manifest, Part, Tenant};
use super::files::index::Content;
use super::files::render::{Read, Renderer, read};
use super::files::{Piece, blocking, disk, fetch, holds};
use super::format::Encoding;
use super::{Alone, End, Guard, Shown, Snapshot, SnapshotSink, Update};
use crate::error::Error;

pub(super) use local::Local;
pub use settings::Bucket;

/// Where files and the manifest are.
#[async_trait]
pub(super) trait Place: Send + Sync {
    /// How messages call it.
    fn name(&self) -> String;

    /// The file by which processes on this machine keep off each other.
    fn lock(&self, spool: &Path) -> PathBuf;

    /// The manifest, if there is one.
    async fn manifest(&self) -> Result<Option<Stored>, Error>;

    /// Which of these files are not there with the size that they should have.
    async fn missing(&self, parts: &BTreeMap<String, u64>) -> Result<BTreeSet<String>, Error>;

    /// Puts a finished file in its place, where nobody looks for it yet.
    async fn put(&self, from: &Path, name: &str) -> Result<(), Error>;

    /// Replaces the manifest that was read. Its new version.
    async fn replace(&self, bytes: Vec<u8>, old: &Stored) -> Result<String, Error>;

    /// Removes what the manifest no longer names: `gone` for sure, and whatever else isn't among `keep`.
    async fn remove(&self, gone: Vec<String>, keep: BTreeSet<String>);
}

/// A manifest as it is stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub bytes: Vec<u8>,
    /// What its place tells it from others by; empty where there is none or nothing does.
    #[cfg_attr(
        not(feature = "object-store"),
        allow(dead_code, reason = "only stores tell them apart")
    )]
    pub version: String,
}

/// See the [module](self).
pub(super) struct Partitioned<P> {
    place: P,
    /// Where files are made.
    spool: PathBuf,
    encoding: Arc<Encoding>,
    guard: Guard,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Alive while this process alone works here.
    lock: Weak<File>,
    known: Option<Known>,
    /// In their place, not in the manifest yet.
    ready: BTreeMap<TenantId, Ready>,
}

/// What stands in the sink.
#[derive(Clone)]
struct Known {
    stored: Stored,
    manifest: Manifest,
}

struct Ready {
    tenant: Tenant,
    parts: Vec<Part>,
    written: u64,
}

impl<P: Place> Partitioned<P> {
    /// A sink at this place that makes its files in the directory `spool`.
    pub(super) fn new(place: P, spool: PathBuf, encoding: Encoding, guard: Guard) -> Self {
        Partitioned {
            place,
            spool,
            encoding: Arc::new(encoding),
            guard,
            state: Mutex::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands in the sink, as it was read last.
    async fn known(&self) -> Result<Known, Error> {
        if let Some(known) = self.with(|state| state.known.clone()) {
            return Ok(known);
        }
        let stored = self.place.manifest().await?.unwrap_or_default();
        let mut manifest = Manifest::read(&stored.bytes, &self.encoding);
        let missing = self.place.missing(&manifest.sizes()).await?;
        // Somebody took files away: their tenants are fetched again.
        manifest.forget(&missing);
        let known = Known { stored, manifest };
        self.with(|state| state.known = Some(known.clone()));
        Ok(known)
    }

    fn moved(&self) -> Error {
        let place = self.place.name();
        Error::Moved { place }
    }

    /// The parts of kinds that didn't change, as the manifest names them.
    fn same(&self, known: &Known, tenant: TenantId, update: &Update) -> Result<Vec<Part>, Error> {
        let as_of = known.manifest.tenants.get(&tenant).map(|t| t.as_of);
        if as_of != Some(update.base) {
            return Err(self.moved());
        }
        let parts = known.manifest.parts.iter();
        let same = parts.filter(|p| p.tenant == tenant && !holds(update, &p.kind));
        Ok(same.cloned().collect())
    }

    /// Puts what was rendered in its place, and returns how the manifest names it.
    async fn put(
        &self,
        known: &Known,
        tenant: TenantId,
        rendered: Rendered,
    ) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for (kind, content) in rendered.kinds {
            if content.bytes == 0 {
                continue;
            }
            let part = Part::new(tenant, kind, content, &self.encoding.suffix());
            if !known.manifest.names(&part.path) {
                let from = self.encoding.file(&rendered.dir, &part.kind);
                self.place.put(&from, &part.path).await?;
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

#[async_trait]
impl<P: Place + 'static> SnapshotSink for Partitioned<P> {
    async fn alone(&self) -> Result<Option<Alone>, Error> {
        let (spool, lock) = (self.spool.clone(), self.place.lock(&self.spool));
        let lock = blocking(move || {
            disk::create_dir(&spool)?;
            disk::lock(&lock)
        });
        let Some(lock) = lock.await? else {
            return Ok(None);
        };
        let lock = Arc::new(lock);
        // Another process may have been here: what was known of the place is forgotten.
        self.with(|state| {
            *state = State {
                lock: Arc::downgrade(&lock),
                ..State::default()
            };
        });
        Ok(Some(Box::new(lock)))
    }

    async fn shown(&self) -> Result<Shown, Error> {
        let known = self.known().await?;
        let tenants = known.manifest.tenants.iter();
        Ok(Shown {
            tenants: tenants.map(|(tenant, t)| (*tenant, t.as_of)).collect(),
            // The manifest is one file: it is the old one or the new one.
            whole: true,
        })
    }

    async fn spool(
        &self,
        tenant: TenantId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Closing>, Error> {
        let known = self.known().await?;
        // Kept for as long as the rendering lasts, though nobody may wait for it any more.
        let Some(lock) = self.with(|state| state.lock.upgrade()) else {
            return Ok(None);
        };
        let (update, approved) = (snapshot.update().cloned(), snapshot.approved());
        let shows = |kind: &str| update.as_ref().is_none_or(|u| holds(u, kind));
        let new: Vec<_> = self.encoding.kinds().filter(|kind| shows(kind)).collect();
        let (sender, receiver) = mpsc::channel(4);
        let rendered = {
            let (encoding, new) = (self.encoding.clone(), new.clone());
            let dir = self.spool.join(tenant.to_string());
            blocking(move || {
                let rendered = render(tenant, &encoding, dir, &new, receiver);
                drop(lock);
                rendered
            })
        };
        let (rendered, fetched) = tokio::join!(
            rendered,
            fetch(&mut snapshot, sender, |records| read(
                tenant,
                &self.encoding,
                records
            ))
        );
        fetched?;
        let Some(rendered) = rendered? else {
            return Ok(None);
        };
        let (end, dir) = (rendered.end.clone(), rendered.dir.clone());
        let each = new.iter().map(|kind| {
            let now = rendered.kinds.get(*kind).map_or(0, |c| c.count);
            (*kind, known.manifest.count(tenant, kind), now)
        });
        if let Err(e) = self.guard.hold(tenant, each, &end, approved) {
            drop_dir(dir).await;
            return Err(e);
        }
        let written = rendered.kinds.values().map(|c| c.count).sum();
        let mut parts = match &update {
            Some(update) => self.same(&known, tenant, update)?,
            None => Vec::new(),
        };
        parts.extend(self.put(&known, tenant, rendered).await?);
        drop_dir(dir).await;
        let as_of = end.as_of;
        let tenant_of = Tenant {
            as_of,
            runs: end.datasets.iter().map(Into::into).collect(),
        };
        let ready = Ready {
            tenant: tenant_of,
            parts,
            written,
        };
        self.with(|state| state.ready.insert(tenant, ready));
        Ok(Some(as_of))
    }

    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let Some(_lock) = self.with(|state| state.lock.upgrade()) else {
            return Ok(BTreeMap::new());
        };
        let Known { stored, manifest } = self.known().await?;
        let (mut next, mut written) = (manifest.clone(), BTreeMap::new());
        for tenant in tenants {
            if let Some(ready) = self.with(|state| state.ready.remove(tenant)) {
                next.insert(*tenant, ready.tenant, ready.parts);
                written.insert(*tenant, ready.written);
            }
        }
        let bytes = next.write(&self.encoding);
        // Until it has worked, only the place knows what stands there.
        self.with(|state| state.known = None);
        let version = self.place.replace(bytes.clone(), &stored).await?;
        let keep: BTreeSet<String> = next.parts.iter().map(|p| p.path.clone()).collect();
        let gone = manifest.parts.iter().map(|p| &p.path).chain(&manifest.old);
        let gone = gone.filter(|path| !keep.contains(*path)).cloned().collect();
        self.place.remove(gone, keep).await;
        next.old.clear();
        let known = Known {
            stored: Stored { bytes, version },
            manifest: next,
        };
        self.with(|state| state.known = Some(known));
        Ok(written)
    }
}

/// Removes what was rendered. Left behind, it is removed before the next rendering.
async fn drop_dir(dir: PathBuf) {
    let removed = blocking(move || fs::remove_dir_all(&dir).map_err(disk::at(&dir)));
    if let Err(e) = removed.await {
        tracing::debug!(error = %e, "a rendered snapshot stays in the spool");
    }
}

/// A snapshot as files.
struct Rendered {
    dir: PathBuf,
    kinds: BTreeMap<String, Content>,
    end: End,
}

/// Makes the files of a snapshot; `None` when the ledger isn't complete, or nobody sends the rest.
fn render(
    tenant: TenantId,
    encoding: &Encoding,
    dir: PathBuf,
    kinds: &[&'static str],
    mut pieces: mpsc::Receiver<Piece<Vec<Read>>>,
) -> Result<Option<Rendered>, Error> {
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(disk::at(&dir)(e)),
        _ => disk::create_dir(&dir)?,
    }
    let mut renderer = Renderer::new(tenant, encoding, &dir, kinds);
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Records(records) => renderer.write(&records)?,
            Piece::End(end) if !end.complete => {
                drop(renderer);
                let _ = fs::remove_dir_all(&dir);
                return Ok(None);
            }
            Piece::End(end) => {
                let kinds = renderer.finish()?;
                return Ok(Some(Rendered { dir, kinds, end }));
            }
        }
    }
    Ok(None)
}
