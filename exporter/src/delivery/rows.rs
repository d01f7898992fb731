//! Following: the records after the sink's cursor, batch by batch.

use proto::ids::TenantId;
use runtime::CancellationToken;
use tracing::Instrument as _;

use super::Worker;
use crate::cursor::{Cursor, Taking, advanced, after_snapshot, marked, take};
use crate::error::Error;
use crate::feed::{Follow, Head};
use crate::lease::Turn as Lease;
use crate::sink::RowSink;

/// Most records in a batch: one transaction of the sink.
const BATCH: u32 = 2_000;

/// How often a ledger is asked again within one look. Each time something was taken; what comes later is the matter
/// of the next look.
const TURNS: u32 = 1_000;

enum Turn {
    /// The sink has what the ledger has.
    AtHead,
    /// Something was taken, there may be more.
    Moved,
    /// The ledger isn't the one that the sink followed.
    Unknown,
    /// Somebody else moved the sink's cursor.
    Lost,
}

impl Worker {
    /// Brings a sink to the head of one ledger, or leaves that to the exporter that is at it.
    pub(super) async fn rows(
        &mut self,
        sink: &dyn RowSink,
        tenant: TenantId,
        head: Head,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let resync = self.wishes.resync.contains(&tenant);
        if self.checked.get(&tenant) == Some(&head.closing) && !resync {
            return Ok(());
        }
        // A lease costs writing: it is taken only where there is work.
        if self.leases.shared() && !resync && !self.lacks(sink, tenant, head).await? {
            return Ok(());
        }
        let (leases, name) = (self.leases.clone(), self.config.name().to_owned());
        let span = self.delivering(tenant);
        let bring = self.bring(sink, tenant, head).instrument(span);
        match leases
            .during(&name, &tenant.to_string(), stop, bring)
            .await?
        {
            Lease::Done(brought) => brought,
            Lease::Elsewhere => {
                self.elsewhere(tenant);
                Ok(())
            }
        }
    }

    /// Whether the ledger has something for the sink.
    async fn lacks(
        &mut self,
        sink: &dyn RowSink,
        tenant: TenantId,
        head: Head,
    ) -> Result<bool, Error> {
        let cursor = sink.cursor(tenant).await?;
        let mut follow = self.feed.follow(tenant, &cursor, 1).await?;
        if follow.next().await?.is_some() || cursor.closing < head.changed {
            return Ok(true);
        }
        self.settled(tenant, cursor.as_of, head);
        Ok(false)
    }

    async fn bring(
        &mut self,
        sink: &dyn RowSink,
        tenant: TenantId,
        head: Head,
    ) -> Result<(), Error> {
        for _ in 0..TURNS {
            let mut cursor = sink.cursor(tenant).await?;
            if self.wishes.resync.contains(&tenant) {
                if !head.complete || !self.replace(sink, tenant, &cursor).await? {
                    break;
                }
                self.fulfilled(tenant).await?;
                continue;
            }
            let follow = self.feed.follow(tenant, &cursor, BATCH).await?;
            match self.turn(sink, tenant, &mut cursor, follow).await? {
                // It said that there is more.
                Turn::AtHead if cursor.closing < head.changed => {
                    return Err(Error::Stopped { call: "Follow" });
                }
                Turn::AtHead => {
                    self.settled(tenant, cursor.as_of, head);
                    return Ok(());
                }
                Turn::Moved => {}
                Turn::Lost => break,
                Turn::Unknown => {
                    if !head.complete || !self.replace(sink, tenant, &cursor).await? {
                        break;
                    }
                }
            }
        }
        let as_of = sink.cursor(tenant).await?.as_of;
        self.waits(tenant, as_of);
        Ok(())
    }

    async fn turn(
        &self,
        sink: &dyn RowSink,
        tenant: TenantId,
        cursor: &mut Cursor,
        mut follow: Follow,
    ) -> Result<Turn, Error> {
        let (mut seen, mut taken) = (false, false);
        while let Some(batch) = follow.next().await? {
            if batch.snapshot_needed {
                return Ok(Turn::Unknown);
            }
            seen = true;
            let from = batch.from.as_ref().map(Cursor::from).unwrap_or_default();
            let to = batch.to.as_ref().map(Cursor::from).unwrap_or_default();
            if take(cursor, &from) == Taking::Ignore {
                continue;
            }
            let mark = marked(cursor, to.as_of);
            if mark != *cursor && !sink.mark(tenant, cursor, &mark).await? {
                return Ok(Turn::Lost);
            }
            let next = advanced(&mark, &to);
            if !sink.apply(tenant, &mark, &next, &batch.records).await? {
                return Ok(Turn::Lost);
            }
            self.wrote(tenant, batch.records.len() as u64);
            taken |= next != *cursor;
            *cursor = next;
        }
        Ok(match (seen, taken) {
            (false, _) => Turn::AtHead,
            (true, true) => Turn::Moved,
            (true, false) => Turn::Lost,
        })
    }

    /// Replaces everything. False when the ledger isn't complete: removing what it lacks would remove what is there.
    async fn replace(
        &self,
        sink: &dyn RowSink,
        tenant: TenantId,
        cursor: &Cursor,
    ) -> Result<bool, Error> {
        let mut snapshot = self.feed.snapshot(tenant, None).await?;
        let as_of = snapshot.as_of().await?;
        let mark = marked(cursor, as_of);
        if mark != *cursor && !sink.mark(tenant, cursor, &mark).await? {
            return Ok(false);
        }
        let next = advanced(&mark, &after_snapshot(as_of));
        let Some(records) = sink.replace(tenant, &mark, &next, snapshot).await? else {
            return Ok(false);
        };
        self.wrote(tenant, records);
        Ok(true)
    }
}
