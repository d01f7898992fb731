//! A directory with the current inventory: one file a kind, all tenants in it, or one workbook, and a manifest.
//!
//! Mapping: `PATH/<kind>.<format>`, one record a row ordered by tenant and key, as its format (`format`) has it; the
//! same content gives the same bytes. Idempotency: each file is replaced as a whole by a rename, the manifest last. Snapshots are
//! rendered below `PATH/.spool` first and stay there as the parts of the next files; of kinds that didn't change, the
//! old part is the new one.

mod assemble;
pub(super) mod disk;
pub(super) mod index;
pub(super) mod leftovers;
mod manifest;
pub(super) mod render;
mod settings;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::assemble::Place;
use self::index::{Content, Index, Part};
use self::render::{Read, Renderer, read};
use super::format::Encoding;
use super::{Alone, End, Guard, Shown, Snapshot, SnapshotSink, Update};
use crate::error::Error;
use crate::record::LICENSE_ASSIGNMENT;

pub use settings::{Directory, Layout};

/// See the [module](self).
pub(super) struct Files(Arc<Inner>);

struct Inner {
    place: Place,
    guard: Guard,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Alive while this process alone works here.
    lock: Weak<File>,
    /// What the disk says; `None` when that has to be read.
    index: Option<Index>,
    /// Rendered, not shown yet.
    spooled: BTreeMap<TenantId, Part>,
}

impl Files {
    /// A sink that writes to this directory. Nothing is touched before there is something to write.
    pub(super) fn new(dir: PathBuf, encoding: Encoding, guard: Guard) -> Self {
        let place = Place {
            spool: dir.join(".spool"),
            dir,
            encoding,
        };
        Files(Arc::new(Inner {
            place,
            guard,
            state: Mutex::default(),
        }))
    }
}

#[async_trait]
impl SnapshotSink for Files {
    async fn alone(&self) -> Result<Option<Alone>, Error> {
        let inner = self.0.clone();
        blocking(move || inner.alone()).await
    }

    async fn shown(&self) -> Result<Shown, Error> {
        let inner = self.0.clone();
        blocking(move || inner.shown()).await
    }

    async fn spool(
        &self,
        tenant: TenantId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Closing>, Error> {
        // Reading, rendering and writing go on at the same time.
        let (sender, receiver) = mpsc::channel(4);
        let (inner, update) = (self.0.clone(), snapshot.update().cloned());
        let approved = snapshot.approved();
        let rendered = async move {
            blocking(move || inner.render(tenant, update.as_ref(), approved, receiver)).await
        };
        let (rendered, fetched) = tokio::join!(
            rendered,
            fetch(&mut snapshot, sender, |records| read(
                tenant,
                &self.0.place.encoding,
                records
            ))
        );
        fetched?;
        rendered
    }

    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let inner = self.0.clone();
        let tenants = tenants.to_vec();
        blocking(move || inner.publish(&tenants)).await
    }
}

/// What the renderer gets.
pub(super) enum Piece<R> {
    Records(R),
    /// The snapshot is whole. Without this, what was rendered counts for nothing.
    End(End),
}

/// Hands a snapshot over, piece by piece.
pub(super) async fn fetch<R>(
    snapshot: &mut Snapshot,
    sender: mpsc::Sender<Piece<R>>,
    read: impl Fn(Vec<Record>) -> Result<R, Error>,
) -> Result<(), Error> {
    while let Some(records) = snapshot.next().await? {
        let records = read(records)?;
        if sender.send(Piece::Records(records)).await.is_err() {
            return Ok(()); // The renderer failed, and says why.
        }
    }
    if let Some(end) = snapshot.end() {
        // Nobody takes it when the renderer failed, and it says why.
        let _ = sender.send(Piece::End(end.clone())).await;
    }
    Ok(())
}

impl Inner {
    /// The lock is the system's: it ends with the process, and a process that was stopped keeps it.
    fn alone(&self) -> Result<Option<Alone>, Error> {
        disk::create_dir(&self.place.dir)?;
        let Some(lock) = disk::lock(&self.place.dir.join(".lock"))? else {
            return Ok(None);
        };
        let lock = Arc::new(lock);
        // Another process may have been here: what was known of the disk is forgotten.
        self.with(|state| {
            *state = State {
                lock: Arc::downgrade(&lock),
                ..State::default()
            };
            Ok(())
        })?;
        Ok(Some(Box::new(lock)))
    }

    fn shown(&self) -> Result<Shown, Error> {
        self.with(|state| {
            let index = self.index(state)?;
            let tenants = index.tenants.iter().map(|(t, p)| (*t, p.as_of)).collect();
            Ok(Shown {
                tenants,
                whole: index.tenants.is_empty() || self.place.whole(index),
            })
        })
    }

    fn render(
        &self,
        tenant: TenantId,
        update: Option<&Update>,
        approved: bool,
        mut pieces: mpsc::Receiver<Piece<Vec<Read>>>,
    ) -> Result<Option<Closing>, Error> {
        // Kept for as long as this thread works, though nobody may wait for it any more.
        let Some(_lock) = self.with(|state| Ok(state.lock.upgrade()))? else {
            return Ok(None);
        };
        let home = self.place.tenant(tenant);
        let shown = self.with(|state| Ok(self.index(state)?.tenants.get(&tenant).cloned()))?;
        let keep = shown.as_ref().map(|p| p.dir.clone());
        clean(&home, keep.as_deref())?;
        let name = if keep.as_deref() == Some("a") {
            "b"
        } else {
            "a"
        };
        let dir = home.join(name);
        disk::create_dir(&dir)?;
        let encoding = &self.place.encoding;
        let (new, same) = encoding
            .kinds()
            .partition::<Vec<_>, _>(|kind| update.is_none_or(|u| holds(u, kind)));
        let mut renderer = Renderer::new(tenant, encoding, &dir, &new);
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Records(records) => renderer.write(&records)?,
                Piece::End(end) if !end.complete => {
                    drop(renderer);
                    clean(&home, keep.as_deref())?;
                    return Ok(None);
                }
                Piece::End(end) => {
                    let mut kinds = renderer.finish()?;
                    if let Some(part) = &shown {
                        let (old, now) = (&part.kinds, &kinds);
                        let each = new.iter().map(|k| (*k, count(old, k), count(now, k)));
                        self.guard.hold(tenant, each, &end, approved)?;
                    }
                    if let Some(update) = update {
                        let shown = shown.filter(|p| p.as_of == update.base);
                        if let Err(e) = self.carry(&home, shown.as_ref(), &dir, &same, &mut kinds) {
                            self.with(|state| {
                                state.index = None;
                                self.forget_damaged()
                            })?;
                            return Err(e);
                        }
                    }
                    disk::sync_parent(&dir)?;
                    let runs = end.datasets.iter().map(Into::into).collect();
                    let part = Part {
                        dir: name.into(),
                        as_of: end.as_of,
                        kinds,
                        runs,
                    };
                    self.with(|state| Ok(state.spooled.insert(tenant, part)))?;
                    return Ok(Some(end.as_of));
                }
            }
        }
        // Interrupted. Whoever comes next may be at work already, and removes what is left behind.
        Ok(None)
    }

    /// Gives the files of kinds that didn't change a second name in the new directory.
    fn carry(
        &self,
        home: &Path,
        from: Option<&Part>,
        to: &Path,
        same: &[&str],
        kinds: &mut BTreeMap<String, Content>,
    ) -> Result<(), Error> {
        for kind in same {
            let new = self.place.encoding.file(to, kind);
            let known = from.and_then(|p| Some((p, p.kinds.get(*kind)?)));
            let (old, content) = match known {
                Some((part, content)) => (
                    self.place.encoding.file(&home.join(&part.dir), kind),
                    content,
                ),
                None => return Err(disk::at(&new)(std::io::ErrorKind::NotFound.into())),
            };
            if content.bytes == 0 {
                kinds.insert((*kind).to_owned(), content.clone());
                continue;
            }
            let there = fs::metadata(&old).map_err(disk::at(&old))?.len();
            if there != content.bytes {
                return Err(disk::at(&old)(std::io::ErrorKind::InvalidData.into()));
            }
            disk::link(&old, &new)?;
            kinds.insert((*kind).to_owned(), content.clone());
        }
        match same.first() {
            Some(kind) => disk::sync_parent(&self.place.encoding.file(to, kind)),
            None => Ok(()),
        }
    }

    fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        self.with(|state| {
            let Some(_lock) = state.lock.upgrade() else {
                return Ok(BTreeMap::new());
            };
            let mut index = self.index(state)?.clone();
            let mut replaced = Vec::new();
            for tenant in tenants {
                if let Some(part) = state.spooled.remove(tenant) {
                    let old = index.tenants.insert(*tenant, part);
                    replaced.extend(old.map(|old| (*tenant, old.dir)));
                }
            }
            // Until it has worked, only the disk knows what stands there.
            state.index = None;
            let written = match self.place.assemble(&mut index) {
                Ok(written) => written,
                Err(e) => {
                    self.forget_damaged()?;
                    return Err(e);
                }
            };
            let lines = |tenant: &TenantId| {
                let kinds = index.tenants.get(tenant).map(|p| &p.kinds);
                kinds.into_iter().flatten().filter(|(k, _)| written.contains(k.as_str())).map(|(_, c)| c.count).sum()
            };
            let lines = tenants.iter().map(|t| (*t, lines(t))).collect();
            for (tenant, dir) in replaced {
                let dir = self.place.tenant(tenant).join(dir);
                // Left behind, it is removed before the next rendering.
                if let Err(e) = fs::remove_dir_all(&dir) {
                    tracing::debug!(path = %dir.display(), error = %e, "an old snapshot stays in the spool");
                }
            }
            state.index = Some(index);
            Ok(lines)
        })
    }

    /// Somebody took files out of the spool: their tenants are fetched again.
    fn forget_damaged(&self) -> Result<(), Error> {
        let mut index = self.place.index()?;
        let before = index.tenants.len();
        index.tenants.retain(|tenant, part| {
            let dir = self.place.tenant(*tenant).join(&part.dir);
            part.kinds.iter().all(|(kind, c)| {
                let file = self.place.encoding.file(&dir, kind);
                let there = |m: fs::Metadata| m.is_file() && m.len() == c.bytes;
                c.bytes == 0 || fs::metadata(file).is_ok_and(there)
            })
        });
        if index.tenants.len() == before {
            Ok(())
        } else {
            index.store(&self.place.spool)
        }
    }

    fn index<'a>(&self, state: &'a mut State) -> Result<&'a Index, Error> {
        if state.index.is_none() {
            state.index = Some(self.place.index()?);
        }
        Ok(state.index.get_or_insert_default())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Records of a kind.
pub(super) fn count(kinds: &BTreeMap<String, Content>, kind: &str) -> u64 {
    kinds.get(kind).map_or(0, |content| content.count)
}

/// Whether an update holds what the file of a kind shows.
pub(super) fn holds(update: &Update, kind: &str) -> bool {
    let of = |name| RecordKind::from_name(name).is_some_and(|k| update.kinds.contains(&k));
    match kind {
        LICENSE_ASSIGNMENT => of("user"),
        kind => of(kind),
    }
}

/// Removes what no index names: an interrupted rendering, a snapshot that was replaced.
fn clean(home: &Path, keep: Option<&str>) -> Result<(), Error> {
    for name in ["a", "b"].into_iter().filter(|n| Some(*n) != keep) {
        let dir = home.join(name);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(disk::at(&dir)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Runs what waits for the disk where nobody else waits.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.map_err(Error::Task)?
}
