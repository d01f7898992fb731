//! The files of a package: the rows of each tenant rest below `PATH/.spool`, and every package is put together from all
//! of them. The manifest is written last: whoever finds files that don't match it knows that a newer one comes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use csv::Writer;
use proto::ids::{Closing, TenantId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::rows::{Row, TABLES, Table};
use crate::error::Error;
use crate::sink::files::disk;
use crate::sink::files::index::Content;
use crate::sink::format::Output;
use crate::sink::format::csv::{fault, writer};
use crate::sink::format::output::copy;
use crate::sink::{Alone, End, Guard, Shown};

/// What the writer gets.
pub(super) enum Piece {
    Rows(Vec<(&'static Table, Row)>),
    /// The snapshot is whole. Without this, what was written counts for nothing.
    End(End),
}

/// The directories of a package.
pub(super) struct Spool {
    dir: PathBuf,
    guard: Guard,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Alive while this process alone works here.
    lock: Weak<File>,
    /// Written, not shown yet.
    spooled: BTreeMap<TenantId, Part>,
}

/// `PATH/manifest.json`, and `PATH/.spool/index.json` with the parts that the next package is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Manifest {
    /// The tenants that it shows.
    tenants: BTreeMap<TenantId, Part>,
    /// The files by table.
    files: BTreeMap<String, Content>,
}

/// The rows of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    /// The closing that they show.
    as_of: Closing,
    /// Their directory below that of the tenant.
    dir: String,
    /// Files without the line of names.
    tables: BTreeMap<String, Content>,
}

impl Spool {
    pub(super) fn new(dir: PathBuf, guard: Guard) -> Self {
        let state = Mutex::default();
        Spool { dir, guard, state }
    }

    pub(super) fn alone(&self) -> Result<Option<Alone>, Error> {
        disk::create_dir(&self.dir)?;
        let Some(lock) = disk::lock(&self.dir.join(".lock"))? else {
            return Ok(None);
        };
        let lock = Arc::new(lock);
        *self.state() = State {
            lock: Arc::downgrade(&lock),
            ..State::default()
        };
        Ok(Some(Box::new(lock)))
    }

    pub(super) fn shown(&self) -> Result<Shown, Error> {
        let (index, manifest) = (self.read(&self.index())?, self.read(&self.manifest())?);
        let part = |(tenant, part): (&TenantId, &Part)| {
            let files = part.tables.iter();
            // One of before a table was added is written anew.
            if !TABLES.iter().all(|t| part.tables.contains_key(t.name)) {
                return None;
            }
            let there = files.map(|(table, c)| (self.part(*tenant, part, table), c));
            is_there(there).then_some((*tenant, part.as_of))
        };
        let tenants: BTreeMap<_, _> = index.tenants.iter().filter_map(part).collect();
        let files = manifest.files.iter();
        let files = files.map(|(table, content)| (self.file(table), content));
        let whole = index.tenants == manifest.tenants && is_there(files);
        Ok(Shown {
            whole: index.tenants.is_empty() || whole,
            tenants,
        })
    }

    /// Writes the rows of a tenant without touching the package.
    pub(super) fn write(
        &self,
        tenant: TenantId,
        approved: bool,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<Option<Closing>, Error> {
        // Kept for as long as this thread works, though nobody may wait for it any more.
        let Some(_lock) = self.state().lock.upgrade() else {
            return Ok(None);
        };
        let shown = self.read(&self.index())?.tenants.remove(&tenant);
        let name = match &shown {
            Some(part) if part.dir == "a" => "b",
            _ => "a",
        };
        let dir = self.home(tenant).join(name);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(disk::at(&dir)(e)),
            _ => disk::create_dir(&dir)?,
        }
        let mut files = TABLES
            .iter()
            .map(|table| Ok((table.name, Lines::new(dir.join(table.name))?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Rows(rows) => {
                    for (table, row) in rows {
                        if let Some(lines) = files.get_mut(table.name) {
                            lines.row(&row)?;
                        }
                    }
                }
                Piece::End(end) if !end.complete => return Ok(None),
                Piece::End(end) => {
                    let mut tables = BTreeMap::new();
                    for (table, lines) in files {
                        tables.insert(table.to_owned(), lines.finish()?);
                    }
                    if let Some(shown) = &shown {
                        let each = tables.iter().map(|(table, now)| {
                            let old = shown.tables.get(table).map_or(0, |c| c.count);
                            (table.as_str(), old, now.count)
                        });
                        self.guard.hold(tenant, each, &end, approved)?;
                    }
                    disk::sync_parent(&dir)?;
                    let part = Part {
                        as_of: end.as_of,
                        dir: name.to_owned(),
                        tables,
                    };
                    self.state().spooled.insert(tenant, part);
                    return Ok(Some(end.as_of));
                }
            }
        }
        // Interrupted. What is left behind is removed by the next one.
        Ok(None)
    }

    /// Puts a package together that shows what was written of these tenants.
    pub(super) fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let mut state = self.state();
        let Some(_lock) = state.lock.upgrade() else {
            return Ok(BTreeMap::new());
        };
        let mut index = self.read(&self.index())?;
        let mut written = BTreeMap::new();
        let mut replaced = Vec::new();
        for tenant in tenants {
            if let Some(part) = state.spooled.remove(tenant) {
                let rows = part.tables.values().map(|c| c.count).sum();
                written.insert(*tenant, rows);
                let old = index.tenants.insert(*tenant, part);
                replaced.extend(old.map(|old| self.home(*tenant).join(old.dir)));
            }
        }
        // Everything that may not fit on the disk is written before the first visible file is touched.
        let mut made = Vec::new();
        index.files.clear();
        for table in TABLES {
            let target = self.file(table.name);
            let temporary = disk::temporary(&target);
            let content = self.assemble(&index, table, &temporary)?;
            index.files.insert(table.name.to_owned(), content);
            made.push((temporary, target));
        }
        self.store(&self.index(), &index)?;
        for (temporary, target) in &made {
            fs::rename(temporary, target).map_err(disk::at(target))?;
        }
        disk::sync_parent(&self.manifest())?;
        self.store(&self.manifest(), &index)?;
        for dir in replaced {
            // Left behind, it is removed before the next writing.
            if let Err(e) = fs::remove_dir_all(&dir) {
                tracing::debug!(path = %dir.display(), error = %e, "old rows stay in the spool");
            }
        }
        Ok(written)
    }

    fn assemble(&self, index: &Manifest, table: &Table, to: &Path) -> Result<Content, Error> {
        let mut out = Output::create(to).map_err(disk::at(to))?;
        let names: Row = table.columns.iter().map(|c| c.0.to_owned()).collect();
        let mut head = writer(Vec::new());
        head.write_record(&names).map_err(|e| fault(e).at(to))?;
        let head = head
            .into_inner()
            .map_err(|e| disk::at(to)(e.into_error()))?;
        out.write_all(&head).map_err(disk::at(to))?;
        let mut count = 0;
        for (tenant, part) in &index.tenants {
            let Some(content) = part.tables.get(table.name) else {
                continue;
            };
            let path = self.part(*tenant, part, table.name);
            copy(&path, 0, &mut out).map_err(disk::at(&path))?;
            count += content.count;
        }
        let written = out.finish().map_err(disk::at(to))?;
        Ok(Content::new(count, written))
    }

    fn read(&self, path: &Path) -> Result<Manifest, Error> {
        match fs::read(path) {
            // Everything here can be fetched again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Manifest::default()),
            Err(e) => Err(disk::at(path)(e)),
        }
    }

    fn store(&self, path: &Path, manifest: &Manifest) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(manifest).map_err(|e| disk::at(path)(e.into()))?;
        disk::write(path, &bytes)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, table: &str) -> PathBuf {
        self.dir.join(format!("{table}.csv"))
    }

    fn manifest(&self) -> PathBuf {
        self.dir.join("manifest.json")
    }

    fn index(&self) -> PathBuf {
        self.dir.join(".spool/index.json")
    }

    fn home(&self, tenant: TenantId) -> PathBuf {
        self.dir.join(".spool").join(tenant.to_string())
    }

    fn part(&self, tenant: TenantId, part: &Part, table: &str) -> PathBuf {
        self.home(tenant).join(&part.dir).join(table)
    }
}

/// Whether all files are there, as long as they should be.
fn is_there<'a>(mut files: impl Iterator<Item = (PathBuf, &'a Content)>) -> bool {
    files.all(|(path, content)| {
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == content.bytes)
    })
}

/// The rows of a table.
struct Lines {
    path: PathBuf,
    out: Writer<Output>,
    count: u64,
}

impl Lines {
    fn new(path: PathBuf) -> Result<Self, Error> {
        let out = Output::create(&path).map_err(disk::at(&path))?;
        Ok(Lines {
            out: writer(out),
            path,
            count: 0,
        })
    }

    fn row(&mut self, row: &Row) -> Result<(), Error> {
        self.count += 1;
        self.out
            .write_record(row)
            .map_err(|e| fault(e).at(&self.path))
    }

    fn finish(self) -> Result<Content, Error> {
        let at = disk::at(&self.path);
        let out = self.out.into_inner().map_err(|e| e.into_error());
        let written = out.and_then(Output::finish).map_err(at)?;
        Ok(Content::new(self.count, written))
    }
}
