//! A snapshot for a sink that is sent changes: the differences, then the removal of exactly what the snapshot lacks.

use proto::ids::Closing;
use proto::kind::RecordKind;

use super::batch::{Batch, Wanted};
use super::course::{BATCH, Course, Going};
use super::floor;
use crate::cursor::{Cursor, advanced, after_snapshot, marked};
use crate::delivery::beside::Visit;
use crate::error::Error;
use crate::feed::Head;
use crate::sink::Update;
use crate::store::Writes;

impl Going<'_> {
    /// Brings the sink to a snapshot of the ledger.
    pub(super) async fn whole(&self, cursor: &Cursor, head: Head) -> Result<Visit, Error> {
        let waits = Ok(Visit::Waits(cursor.as_of));
        let Course {
            store,
            feed,
            sink,
            clock,
            ..
        } = self.course;
        // Removing what an incomplete ledger lacks would remove what is there.
        if !head.complete {
            return waits;
        }
        let kinds = RecordKind::ALL.into_iter().filter(|k| sink.wants(*k));
        let update = Update {
            kinds: kinds.clone().collect(),
            base: cursor.as_of,
        };
        let mut snapshot = feed.snapshot(self.tenant, Some(update)).await?;
        let as_of = snapshot.as_of().await?;
        let mark = marked(cursor, as_of);
        let begins = Writes {
            begins: true,
            ..Writes::default()
        };
        if !store.advance(&self.place, cursor, &mark, &begins).await? {
            return waits;
        }
        let floor = floor(cursor);
        while let Some(records) = snapshot.next().await? {
            for records in records.chunks(BATCH as usize) {
                let batch = Batch::read(self, records, as_of, floor).await?;
                if !self.deliver(batch, &mark, &mark).await? {
                    return waits;
                }
            }
        }
        if !snapshot.end().is_some_and(|end| end.complete) {
            return waits;
        }
        for kind in kinds {
            if !self.remove_unseen(kind, as_of, floor, &mark).await? {
                return waits;
            }
        }
        let ends = Writes {
            at: clock.micros(),
            ends: true,
            ..Writes::default()
        };
        let next = advanced(&mark, &after_snapshot(as_of));
        match store.advance(&self.place, &mark, &next, &ends).await? {
            true => Ok(Visit::More),
            false => waits,
        }
    }

    async fn remove_unseen(
        &self,
        kind: RecordKind,
        as_of: Closing,
        floor: Closing,
        mark: &Cursor,
    ) -> Result<bool, Error> {
        loop {
            let store = &self.course.store;
            let unseen = store.unseen(&self.place, kind, as_of, BATCH).await?;
            if unseen.is_empty() {
                return Ok(true);
            }
            let gone = unseen.into_iter().map(|(key, _)| Wanted {
                kind,
                key,
                closing: as_of,
                payload: Ok(None),
            });
            let batch = Batch::of(self, gone.collect(), as_of, floor).await?;
            if !self.deliver(batch, mark, mark).await? {
                return Ok(false);
            }
        }
    }
}
