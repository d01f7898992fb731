//! What a sink would be sent now: the ledger is read as for a delivery, and nothing is written.

use std::collections::BTreeMap;

use proto::admin::v1::SinkChanges;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};

use crate::cursor::Cursor;
use crate::delivery::{digest, known, plan, stands, wanted};
use crate::desk::Desk;
use crate::error::Error;
use crate::sink::{ChangeSink, Sink, Update};
use crate::store::{Place, Store};

/// Records of a batch of the ledger's.
const BATCH: u32 = 1_000;

/// Keys that are shown of a kind.
const KEYS: usize = 5;

/// Reaches a sink and counts what it would be sent.
pub(super) async fn test(
    desk: &Desk,
    number: usize,
    tenants: &[TenantId],
) -> Result<Vec<SinkChanges>, Error> {
    let config = &desk.config.sinks[number];
    let Some(ready) = desk.ready()?.into_iter().nth(number) else {
        return Ok(Vec::new());
    };
    let name = config.name();
    match &ready.sink {
        Sink::Changes(sink) => sink.check().await.map_err(|source| Error::Refused {
            sink: name.to_owned(),
            source,
        })?,
        Sink::Snapshots(sink) => sink.check().await?,
        Sink::Rows(_) => {}
    }
    let mut all = Vec::new();
    for tenant in tenants {
        let place = Place::new(name, *tenant);
        let cursor = stands(&desk.store, &ready.sink, name, *tenant).await?;
        let sink = match &ready.sink {
            Sink::Changes(sink) => Some(sink.as_ref()),
            Sink::Rows(_) | Sink::Snapshots(_) => None,
        };
        let mut tally = Tally {
            tenant: *tenant,
            place,
            store: &desk.store,
            sink,
            whole: false,
            kinds: BTreeMap::new(),
        };
        tally.read(desk, &cursor).await?;
        all.extend(tally.kinds.into_values());
    }
    Ok(all)
}

/// Counts of a tenant.
struct Tally<'a> {
    tenant: TenantId,
    place: Place,
    store: &'a Store,
    /// The sink, where it is sent changes.
    sink: Option<&'a dyn ChangeSink>,
    /// Whether a snapshot is read.
    whole: bool,
    kinds: BTreeMap<String, SinkChanges>,
}

impl Tally<'_> {
    async fn read(&mut self, desk: &Desk, cursor: &Cursor) -> Result<(), Error> {
        let mut follow = desk.feed.follow(self.tenant, cursor, BATCH).await?;
        while let Some(batch) = follow.next().await? {
            if batch.snapshot_needed {
                self.whole = true;
                break;
            }
            self.add(&batch.records).await?;
        }
        if !self.whole {
            return Ok(());
        }
        self.kinds.clear();
        let update = self.sink.map(|sink| {
            let kinds = proto::kind::RecordKind::ALL.into_iter();
            Update {
                kinds: kinds.filter(|k| sink.wants(*k)).collect(),
                base: cursor.as_of,
            }
        });
        let mut snapshot = desk.feed.snapshot(self.tenant, update).await?;
        while let Some(records) = snapshot.next().await? {
            for records in records.chunks(BATCH as usize) {
                self.add(records).await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, records: &[Record]) -> Result<(), Error> {
        let Some(sink) = self.sink else {
            for r in records {
                self.count(
                    &r.kind,
                    &r.key,
                    if r.removed {
                        Fate::Removed
                    } else {
                        Fate::Written
                    },
                );
            }
            return Ok(());
        };
        let wanted = wanted(sink, self.tenant, records)?;
        let known = known(self.store, &self.place, &wanted).await?;
        for w in wanted {
            let before = known.get(&(w.kind.name(), w.key.clone()));
            let fate = match &w.payload {
                Err(_) => Fate::Unfit,
                Ok(payload) => {
                    let print = payload.as_deref().map(digest);
                    match (plan(before, w.closing, print, Closing(0)), payload) {
                        (None, _) => Fate::Unchanged,
                        (Some(_), Some(_)) => Fate::Written,
                        (Some(_), None) => Fate::Removed,
                    }
                }
            };
            self.count(w.kind.name(), &w.key, fate);
        }
        Ok(())
    }

    fn count(&mut self, kind: &str, key: &str, fate: Fate) {
        let (tenant, whole) = (self.tenant, self.whole);
        let row = self
            .kinds
            .entry(kind.to_owned())
            .or_insert_with(|| SinkChanges {
                tenant_id: tenant.to_string(),
                kind: kind.to_owned(),
                whole,
                ..SinkChanges::default()
            });
        match fate {
            Fate::Written => row.written += 1,
            Fate::Removed => row.removed += 1,
            Fate::Unchanged => row.unchanged += 1,
            Fate::Unfit => row.unfit += 1,
        }
        if matches!(fate, Fate::Written | Fate::Removed) && row.keys.len() < KEYS {
            row.keys.push(key.to_owned());
        }
    }
}

enum Fate {
    Written,
    Removed,
    Unchanged,
    Unfit,
}
