//! Sinks that follow: the records after the sink's cursor, batch by batch.

use proto::feed::v1::{FollowBatch, Record};
use proto::ids::TenantId;
use runtime::CancellationToken;
use tracing::Instrument as _;

use super::beside::{self, Visit};
use super::{Worker, delivering};
use crate::board::Board;
use crate::cursor::{Cursor, Taking, advanced, after_snapshot, marked, take};
use crate::error::Error;
use crate::feed::{Feed, Follow, Head};
use crate::lease::{Leases, Turn};
use crate::sink::RowSink;
use crate::store::{Place, Store};

/// Most records of a batch that the ledger sends.
const BATCH: u32 = 1_000;

/// Batches go into one transaction of the sink together, up to so many records and bytes.
const RECORDS: usize = 10_000;
const BYTES: usize = 8 << 20;

/// What turns need.
struct Course<'a> {
    feed: Feed,
    store: Store,
    leases: Leases,
    board: Board,
    /// The sink's place on the board.
    number: usize,
    name: String,
    kind: &'static str,
    sink: &'a dyn RowSink,
    stop: &'a CancellationToken,
}

/// How far a stream of the feed brought the sink.
enum Followed {
    /// The sink has what the ledger has.
    AtHead,
    /// Something was taken, there may be more.
    Moved,
    /// The ledger isn't the one that the sink followed.
    Unknown,
    /// Somebody else moved the sink's cursor.
    Lost,
}

/// Batches that follow each other: as if the ledger had sent one.
#[derive(Default)]
struct Together {
    /// Where they end; `None` when there is none.
    to: Option<Cursor>,
    records: Vec<Record>,
}

impl Together {
    /// Whether a batch may go with the others. It shows the ledger as they do or later, for a ledger that doesn't know
    /// what they show sends none: so the mark, which is of the last one, tells of all.
    fn may_take(&self, batch: &FollowBatch) -> bool {
        let fits = self.records.len() + batch.records.len() <= RECORDS
            && size(&self.records) + size(&batch.records) <= BYTES;
        self.to.is_none() || (fits && !batch.snapshot_needed)
    }

    fn put(&mut self, batch: FollowBatch) {
        self.to = Some(batch.to.as_ref().map(Cursor::from).unwrap_or_default());
        self.records.extend(batch.records);
    }

    /// Where a sink that stands at `cursor` stands after them.
    fn reached(&self, cursor: &Cursor) -> Cursor {
        match &self.to {
            Some(to) => steps(cursor, to).1,
            None => cursor.clone(),
        }
    }
}

/// What a sink that stands at `cursor` stores before it takes what ends at `to`, and with it.
fn steps(cursor: &Cursor, to: &Cursor) -> (Cursor, Cursor) {
    let mark = marked(cursor, to.as_of);
    let next = advanced(&mark, to);
    (mark, next)
}

fn size(records: &[Record]) -> usize {
    records.iter().map(|r| r.body.len() + r.key.len()).sum()
}

impl Worker {
    /// Brings a sink to the heads of ledgers, or leaves that to the exporter that is at it.
    pub(super) async fn rows_of(
        &mut self,
        sink: &dyn RowSink,
        due: Vec<(TenantId, Head)>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let course = Course {
            feed: self.feed.clone(),
            store: self.store.clone(),
            leases: self.leases.clone(),
            board: self.board.clone(),
            number: self.number,
            name: self.config.name().to_owned(),
            kind: self.config.kind(),
            sink,
            stop,
        };
        self.beside(&course, due, stop).await
    }
}

impl beside::Course for Course<'_> {
    fn at_once(&self) -> usize {
        self.sink.at_once()
    }

    async fn visit(
        &self,
        tenant: TenantId,
        head: Head,
        resync: bool,
        _: bool,
    ) -> Result<Visit, Error> {
        // A lease costs writing: it is taken only where there is work.
        if self.leases.shared() && !resync {
            let cursor = self.sink.cursor(tenant).await?;
            let mut follow = self.feed.follow(tenant, &cursor, 1).await?;
            if follow.next().await?.is_none() && cursor.closing >= head.changed {
                return Ok(Visit::AtHead(cursor.as_of));
            }
        }
        let bring = self.bring(tenant, head, resync).instrument(delivering(
            &self.board,
            &self.name,
            tenant,
        ));
        let id = tenant.to_string();
        match self
            .leases
            .during(&self.name, &id, self.stop, bring)
            .await?
        {
            Turn::Done(brought) => brought,
            Turn::Elsewhere => Ok(Visit::Elsewhere),
        }
    }
}

impl Course<'_> {
    async fn bring(&self, tenant: TenantId, head: Head, resync: bool) -> Result<Visit, Error> {
        let mut cursor = self.sink.cursor(tenant).await?;
        if resync {
            if !head.complete || !self.replace(tenant, &cursor).await? {
                return self.waits(tenant).await;
            }
            self.store
                .fulfilled(&Place::new(&self.name, tenant))
                .await?;
            return Ok(Visit::Resynced);
        }
        let follow = self.feed.follow(tenant, &cursor, BATCH).await?;
        match self.follow(tenant, &mut cursor, follow).await? {
            // It said that there is more.
            Followed::AtHead if cursor.closing < head.changed => {
                Err(Error::Stopped { call: "Follow" })
            }
            Followed::AtHead => Ok(Visit::AtHead(cursor.as_of)),
            Followed::Moved => Ok(Visit::More),
            Followed::Unknown if head.complete && self.replace(tenant, &cursor).await? => {
                Ok(Visit::More)
            }
            Followed::Unknown | Followed::Lost => self.waits(tenant).await,
        }
    }

    async fn waits(&self, tenant: TenantId) -> Result<Visit, Error> {
        Ok(Visit::Waits(self.sink.cursor(tenant).await?.as_of))
    }

    async fn follow(
        &self,
        tenant: TenantId,
        cursor: &mut Cursor,
        mut follow: Follow,
    ) -> Result<Followed, Error> {
        let (mut seen, mut taken) = (false, false);
        let mut together = Together::default();
        loop {
            let next = follow.next().await;
            // What came is brought, whatever comes after it.
            let joins = matches!(&next, Ok(Some(batch)) if together.may_take(batch));
            if !joins && !self.apply(tenant, cursor, &mut together).await? {
                return Ok(Followed::Lost);
            }
            let Some(batch) = next? else {
                break;
            };
            if batch.snapshot_needed {
                return Ok(Followed::Unknown);
            }
            seen = true;
            let from = batch.from.as_ref().map(Cursor::from).unwrap_or_default();
            let reached = together.reached(cursor);
            if take(&reached, &from) == Taking::Ignore {
                continue;
            }
            together.put(batch);
            taken |= together.reached(cursor) != reached;
        }
        Ok(match (seen, taken) {
            (false, _) => Followed::AtHead,
            (true, true) => Followed::Moved,
            (true, false) => Followed::Lost,
        })
    }

    /// Brings batches in one transaction. False when somebody else moved the cursor.
    async fn apply(
        &self,
        tenant: TenantId,
        cursor: &mut Cursor,
        together: &mut Together,
    ) -> Result<bool, Error> {
        let Together {
            to: Some(to),
            records,
        } = std::mem::take(together)
        else {
            return Ok(true);
        };
        let (mark, next) = steps(cursor, &to);
        if mark != *cursor && !self.sink.mark(tenant, cursor, &mark).await? {
            return Ok(false);
        }
        if !self.sink.apply(tenant, &mark, &next, &records).await? {
            return Ok(false);
        }
        self.wrote(tenant, records.len() as u64);
        *cursor = next;
        Ok(true)
    }

    /// Replaces everything. False when the ledger isn't complete: removing what it lacks would remove what is there.
    async fn replace(&self, tenant: TenantId, cursor: &Cursor) -> Result<bool, Error> {
        let mut snapshot = self.feed.snapshot(tenant, None).await?;
        let as_of = snapshot.as_of().await?;
        let (mark, next) = steps(cursor, &after_snapshot(as_of));
        if mark != *cursor && !self.sink.mark(tenant, cursor, &mark).await? {
            return Ok(false);
        }
        let Some(records) = self.sink.replace(tenant, &mark, &next, snapshot).await? else {
            return Ok(false);
        };
        self.wrote(tenant, records);
        Ok(true)
    }

    /// Records reached the sink.
    fn wrote(&self, tenant: TenantId, records: u64) {
        super::wrote(&self.board, self.number, self.kind, tenant, records);
    }
}

#[cfg(test)]
mod tests {
    use proto::feed::v1;
    use proto::ids::Closing;

    use super::*;

    fn batch(closing: u64, as_of: u64, records: usize) -> FollowBatch {
        let to = v1::Cursor {
            closing,
            as_of,
            mark: as_of,
            ..v1::Cursor::default()
        };
        FollowBatch {
            to: Some(to),
            records: vec![Record::default(); records],
            ..FollowBatch::default()
        }
    }

    #[test]
    fn batches_go_together_until_they_are_large() {
        let mut together = Together::default();
        let cursor = Cursor::default();
        assert_eq!(together.reached(&cursor), cursor);
        let large = batch(1, 9, RECORDS + 1);
        assert!(together.may_take(&large), "one alone always goes");
        together.put(batch(2, 9, 1));
        assert!(together.may_take(&batch(3, 9, RECORDS - 1)));
        assert!(together.may_take(&batch(3, 10, 1)));
        assert!(!together.may_take(&batch(3, 9, RECORDS)), "too many");
        let mut heavy = batch(3, 9, 1);
        heavy.records[0].body = vec![0; BYTES + 1];
        assert!(!together.may_take(&heavy), "too large");
        let needed = FollowBatch {
            snapshot_needed: true,
            ..batch(3, 9, 0)
        };
        assert!(!together.may_take(&needed));
        together.put(batch(3, 10, 2));
        let (closing, as_of) = (Closing(3), Closing(10));
        let reached = Cursor {
            closing,
            as_of,
            mark: as_of,
            ..Cursor::default()
        };
        assert_eq!(together.reached(&cursor), reached);
        assert_eq!(together.records.len(), 3);
    }
}
