//! A feed of changes for programs: JSON lines in files that only grow, at least once.
//!
//! Mapping: `PATH/changes-<number>-<day>.ndjson`; a line is `{tenantId, kind, key, closing, op, record}` with the `op` `upsert`
//! or `remove`, in the ledger's order, so of a key the last line counts. A snapshot is a file of its own from
//! `snapshot_begin` to `snapshot_end`: what isn't between the two is gone. Idempotency: the cursors are stored after the
//! lines, so lines are repeated where a process ends between the two, and none is ever missing. A line that was written
//! in part is cut off before the next one is written. Removals and snapshots are told of the ledger's kinds; the rows
//! that live inside a record change with it.

mod cursors;
mod segments;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::Clock;
use serde::Serialize;
use tokio::sync::mpsc;

use self::cursors::Cursors;
use self::segments::{Segments, Snapshot as Written};
use super::files::{Piece, blocking, disk, fetch};
use super::format::{Fault, Row, Shape};
use super::{RowSink, Snapshot};
use crate::config::Selection;
use crate::cursor::{Cursor, Taking, take};
use crate::error::Error;
use crate::record;

pub use settings::Feed;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Changes(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    shows: Selection,
    segments: Segments,
    cursors: Cursors,
}

/// What a line says besides the record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    tenant_id: TenantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    closing: u64,
    op: &'static str,
    /// Records of a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
}

impl Changes {
    fn new(settings: &Feed, clock: Clock) -> Self {
        let dir = settings.path.clone();
        Changes(Arc::new(Inner {
            shows: settings.shows.clone(),
            segments: Segments {
                dir: dir.clone(),
                most_bytes: settings.rotate_mib.saturating_mul(1 << 20),
                keep_days: Some(settings.keep_days).filter(|days| *days > 0),
                clock,
            },
            cursors: Cursors(dir.join(".cursors.json")),
            dir,
        }))
    }
}

impl Inner {
    /// Works while no other process is at the directory, if the sink stands at `from`.
    fn at(
        &self,
        tenant: TenantId,
        from: &Cursor,
        work: impl FnOnce(&Self) -> Result<Cursor, Error>,
    ) -> Result<bool, Error> {
        disk::create_dir(&self.dir)?;
        let Some(_lock) = disk::lock(&self.dir.join(".lock"))? else {
            let path = self.dir.clone();
            return Err(Error::InUse { path });
        };
        let mut all = self.cursors.read()?;
        let now = all.get(&tenant).cloned().unwrap_or_default();
        if take(&now, from) == Taking::Ignore {
            return Ok(false);
        }
        all.insert(tenant, work(self)?);
        self.cursors.write(&all)?;
        Ok(true)
    }

    /// Appends the lines of records.
    fn lines(&self, tenant: TenantId, records: &[Record], out: &mut Vec<u8>) -> Result<u64, Error> {
        let mut count = 0;
        for record in records {
            let unreadable = |fault: Fault| fault.of(&self.dir, tenant, &record.kind);
            let known = RecordKind::from_name(&record.kind);
            let Some(kind) = known.map(RecordKind::name).filter(|k| self.shows.shows(k)) else {
                continue;
            };
            let head = Head {
                tenant_id: tenant,
                kind: Some(kind),
                key: Some(&record.key),
                closing: record.closing,
                op: if record.removed { "remove" } else { "upsert" },
                records: None,
            };
            let body = match record.removed {
                true => None,
                false => match record::read(tenant, record)? {
                    Some((_, body)) => Some(body),
                    None => continue,
                },
            };
            self.line(&head, body.as_ref().map(Row::Record), out)
                .map_err(unreadable)?;
            count += 1;
        }
        Ok(count)
    }

    fn line(&self, head: &Head<'_>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<(), Fault> {
        serde_json::to_writer(&mut *out, head)?;
        if let (Some(row), Some(kind)) = (row, head.kind) {
            // The head is an object that isn't empty: the record is its last field.
            out.pop();
            out.extend_from_slice(b",\"record\":");
            Shape::new(&self.shows, kind)?.write(&row, out)?;
            out.push(b'}');
        }
        out.push(b'\n');
        Ok(())
    }

    fn bound(
        &self,
        tenant: TenantId,
        as_of: Closing,
        records: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let head = Head {
            tenant_id: tenant,
            kind: None,
            key: None,
            closing: as_of.0,
            op: match records {
                None => "snapshot_begin",
                Some(_) => "snapshot_end",
            },
            records,
        };
        let line = self.line(&head, None, out);
        line.map_err(|fault| fault.at(&self.dir))
    }

    /// Writes a snapshot beside the feed; `None` when the ledger isn't complete, or nobody sends the rest.
    fn spool(
        &self,
        tenant: TenantId,
        as_of: Closing,
        mut pieces: mpsc::Receiver<Piece<Vec<Record>>>,
    ) -> Result<Option<(Written, u64)>, Error> {
        disk::create_dir(&self.dir)?;
        let mut written = self.segments.snapshot(tenant)?;
        let mut lines = Vec::new();
        self.bound(tenant, as_of, None, &mut lines)?;
        let mut count = 0;
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Records(records) => {
                    count += self.lines(tenant, &records, &mut lines)?;
                    written.write(&lines)?;
                    lines.clear();
                }
                Piece::End(end) if !end.complete => break,
                Piece::End(_) => {
                    self.bound(tenant, as_of, Some(count), &mut lines)?;
                    written.write(&lines)?;
                    written.sync()?;
                    return Ok(Some((written, count)));
                }
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl RowSink for Changes {
    async fn cursor(&self, tenant: TenantId) -> Result<Cursor, Error> {
        let inner = self.0.clone();
        let all = blocking(move || inner.cursors.read()).await?;
        Ok(all.get(&tenant).cloned().unwrap_or_default())
    }

    async fn mark(&self, tenant: TenantId, from: &Cursor, marked: &Cursor) -> Result<bool, Error> {
        let (inner, from, marked) = (self.0.clone(), from.clone(), marked.clone());
        blocking(move || inner.at(tenant, &from, |_| Ok(marked))).await
    }

    async fn apply(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        records: &[Record],
    ) -> Result<bool, Error> {
        let mut lines = Vec::new();
        self.0.lines(tenant, records, &mut lines)?;
        let (inner, from, to) = (self.0.clone(), from.clone(), to.clone());
        blocking(move || {
            inner.at(tenant, &from, |inner| {
                inner.segments.append(&lines)?;
                Ok(to)
            })
        })
        .await
    }

    async fn replace(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        mut snapshot: Snapshot,
    ) -> Result<Option<u64>, Error> {
        let as_of = snapshot.as_of().await?;
        let (sender, receiver) = mpsc::channel(4);
        let inner = self.0.clone();
        let spooled = blocking(move || inner.spool(tenant, as_of, receiver));
        let (spooled, fetched) = tokio::join!(spooled, fetch(&mut snapshot, sender, Ok));
        fetched?;
        let Some((written, count)) = spooled? else {
            return Ok(None);
        };
        let (inner, from, to) = (self.0.clone(), from.clone(), to.clone());
        let taken = blocking(move || {
            inner.at(tenant, &from, |inner| {
                inner.segments.take(written)?;
                Ok(to)
            })
        });
        Ok(taken.await?.then_some(count))
    }
}

#[cfg(test)]
mod tests;
