//! One tenant's turn: what follows the sink's cursor, for a while.

use std::time::Duration;

use proto::ids::{Closing, TenantId};
use runtime::{CancellationToken, Clock};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Gate;
use super::batch::Batch;
use crate::board::Board;
use crate::cursor::{Cursor, Taking, advanced, take};
use crate::delivery::beside::{self, Visit};
use crate::delivery::delivering;
use crate::error::Error;
use crate::feed::{Feed, Head};
use crate::lease::{Leases, Term, Turn};
use crate::sink::ChangeSink;
use crate::store::{Place, Store};

/// How long a turn takes at least, where there is enough to do: opening a stream for each batch costs the ledger.
const SLICE: Duration = Duration::from_secs(5);

/// Most records in a batch of the ledger's: one transaction of the exporter's database, and what is sent again at most
/// after a crash.
pub(super) const BATCH: u32 = 1_000;

/// Tenants that have their turns at the same time: pushes wait for each other, reading the ledger needn't.
const AT_ONCE: usize = 8;

/// What turns need.
pub(super) struct Course<'a> {
    pub feed: Feed,
    pub store: Store,
    pub clock: Clock,
    pub leases: Leases,
    pub board: Board,
    /// The sink's place on the board.
    pub number: usize,
    pub name: String,
    pub kind: &'static str,
    pub gate: Gate,
    pub sink: &'a dyn ChangeSink,
    pub stop: &'a CancellationToken,
}

/// A tenant's turn.
pub(super) struct Going<'a> {
    pub course: &'a Course<'a>,
    pub tenant: TenantId,
    pub place: Place,
    pub term: Term,
}

impl beside::Course for Course<'_> {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn visit(
        &self,
        tenant: TenantId,
        head: Head,
        resync: bool,
        replay: bool,
    ) -> Result<Visit, Error> {
        self.gate.open()?;
        let place = Place::new(&self.name, tenant);
        // A lease costs writing: it is taken only where there is work.
        if self.leases.shared() && !resync && !replay {
            let cursor = self.store.change_cursor(&place).await?;
            let mut follow = self.feed.follow(tenant, &cursor, 1).await?;
            if follow.next().await?.is_none() && cursor.closing >= head.changed {
                return Ok(Visit::AtHead(cursor.as_of));
            }
        }
        // Without another exporter nobody but us has written there, unless somebody wants something.
        if self.leases.shared() || resync || replay {
            self.sink.turn(tenant);
        }
        let span = delivering(&self.board, &self.name, tenant);
        let work = move |term| {
            async move {
                let going = Going {
                    course: self,
                    tenant,
                    place,
                    term,
                };
                match (resync, replay) {
                    (true, _) => going.resync(head).await,
                    (false, true) => going.replay().await,
                    (false, false) => going.follow(head).await,
                }
            }
            .instrument(span)
        };
        let after = self.sink.limits().timeout;
        let id = tenant.to_string();
        let leased = self
            .leases
            .within(&self.name, &id, after, self.stop, work)
            .await?;
        match leased {
            Turn::Done(visited) => visited,
            Turn::Elsewhere => Ok(Visit::Elsewhere),
        }
    }
}

impl Going<'_> {
    async fn follow(&self, head: Head) -> Result<Visit, Error> {
        let begun = Instant::now();
        let Course { store, feed, .. } = self.course;
        let mut cursor = store.change_cursor(&self.place).await?;
        let mut follow = feed.follow(self.tenant, &cursor, BATCH).await?;
        let (mut seen, mut moved) = (false, false);
        while let Some(batch) = follow.next().await? {
            if batch.snapshot_needed {
                return self.whole(&cursor, head).await;
            }
            seen = true;
            let from = batch.from.as_ref().map(Cursor::from).unwrap_or_default();
            let to = batch.to.as_ref().map(Cursor::from).unwrap_or_default();
            if take(&cursor, &from) == Taking::Ignore {
                continue;
            }
            let records = Batch::read(self, &batch.records, Closing(0), Closing(0)).await?;
            let next = advanced(&cursor, &to);
            if !self.deliver(records, &cursor, &next).await? {
                return Ok(Visit::Waits(cursor.as_of));
            }
            moved |= next != cursor;
            cursor = next;
            if begun.elapsed() >= SLICE {
                break;
            }
        }
        match (seen, moved) {
            // It said that there is more.
            (false, _) if cursor.closing < head.changed => Err(Error::Stopped { call: "Follow" }),
            (false, _) => Ok(Visit::AtHead(cursor.as_of)),
            (true, true) => Ok(Visit::More),
            // Only what is of other cursors.
            (true, false) => Ok(Visit::Waits(cursor.as_of)),
        }
    }

    async fn resync(&self, head: Head) -> Result<Visit, Error> {
        let cursor = self.course.store.change_cursor(&self.place).await?;
        match self.whole(&cursor, head).await? {
            Visit::More => Ok(Visit::Resynced),
            other => Ok(other),
        }
    }
}
