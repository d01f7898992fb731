//! Bringing snapshots: all that changed are spooled, then shown together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::CancellationToken;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Worker;
use super::need::{Need, need};
use crate::cursor::{Cursor, Taking, advanced, after_snapshot, marked, take};
use crate::error::Error;
use crate::feed::Head;
use crate::lease::Turn;
use crate::sink::{SnapshotSink, Update};

/// The longest that a spooled snapshot waits for those of other tenants. Each time costs as much as all files are
/// large, so not after every tenant.
const SHOW_EVERY: Duration = Duration::from_secs(60);

/// The name under which a sink is leased as a whole.
const WHOLE: &str = "*";

/// Records of a batch, and how many are looked through for their kinds. That more changed than this is rare, and then
/// fetching every kind costs little more than the one that changed.
const BATCH: u32 = 1_000;
const MOST: usize = 10_000;

type Kinds = BTreeSet<RecordKind>;

/// What changed after a cursor.
#[derive(PartialEq, Eq)]
enum Changes {
    /// The ledger knows the cursor and has nothing after it.
    None,
    /// Records of these kinds, the last of which stands here.
    Of(Kinds, Cursor),
    /// Too much to tell, or the ledger doesn't know the cursor.
    Unknown,
}

/// What was spooled and isn't shown: the cursor before it, the closing that it shows, and the head that was seen.
type Spooled = BTreeMap<TenantId, (Cursor, Closing, Head)>;

impl Worker {
    pub(super) async fn snapshots(
        &mut self,
        sink: &dyn SnapshotSink,
        due: &[(TenantId, Head)],
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let (leases, name) = (self.leases.clone(), self.config.name().to_owned());
        let bring = self.bring_snapshots(sink, due, stop);
        match leases.during(&name, WHOLE, stop, bring).await? {
            Turn::Done(brought) => brought,
            Turn::Elsewhere => {
                due.iter().for_each(|(tenant, _)| self.elsewhere(*tenant));
                Ok(())
            }
        }
    }

    async fn bring_snapshots(
        &mut self,
        sink: &dyn SnapshotSink,
        due: &[(TenantId, Head)],
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        self.store.identify(&self.config).await?;
        let Some(_alone) = sink.alone().await? else {
            if !self.leases.shared() {
                let path = self.config.location().into();
                return Err(Error::InUse { path });
            }
            // An exporter that was stopped and has lost its lease.
            due.iter().for_each(|(tenant, _)| self.elsewhere(*tenant));
            return Ok(());
        };
        let cursors = self.store.cursors(self.config.name()).await?;
        let shown = sink.shown().await?;
        let mut spooled = Spooled::new();
        let mut shown_at = Instant::now();
        for (tenant, head) in due {
            let cursor = cursors.get(tenant).cloned().unwrap_or_default();
            let shows = shown.tenants.get(tenant).copied();
            match stop
                .run_until_cancelled(self.spool(sink, *tenant, *head, &cursor, shows))
                .await
            {
                None => return Ok(()),
                Some(Ok(None)) => {}
                Some(Ok(Some(as_of))) => {
                    spooled.insert(*tenant, (cursor, as_of, *head));
                }
                Some(Err(e)) => self.failed([*tenant], e),
            }
            if shown_at.elapsed() >= SHOW_EVERY {
                self.show(sink, &std::mem::take(&mut spooled)).await;
                shown_at = Instant::now();
            }
        }
        if spooled.is_empty() && !shown.whole {
            // Interrupted before: all parts are there, only the whole isn't.
            sink.publish(&[]).await?;
        }
        self.show(sink, &spooled).await;
        Ok(())
    }

    async fn show(&mut self, sink: &dyn SnapshotSink, spooled: &Spooled) {
        if spooled.is_empty() {
            return;
        }
        if let Err(e) = self.publish(sink, spooled).await {
            // The other tenants keep what stands there.
            self.failed(keys(spooled), e);
        }
    }

    /// Spools what the sink lacks of one tenant, and returns the closing that it shows.
    async fn spool(
        &mut self,
        sink: &dyn SnapshotSink,
        tenant: TenantId,
        head: Head,
        cursor: &Cursor,
        shows: Option<Closing>,
    ) -> Result<Option<Closing>, Error> {
        let need = match self.wishes.resync.contains(&tenant) {
            true => Need::Snapshot,
            false => need(&head, cursor, shows, self.checked.get(&tenant).copied()),
        };
        if need == Need::Nothing {
            return Ok(None);
        }
        let span = self.delivering(tenant);
        let needed = (head, cursor, need);
        self.spool_needed(sink, tenant, needed)
            .instrument(span)
            .await
    }

    async fn spool_needed(
        &mut self,
        sink: &dyn SnapshotSink,
        tenant: TenantId,
        (head, cursor, need): (Head, &Cursor, Need),
    ) -> Result<Option<Closing>, Error> {
        let changes = match need {
            Need::Nothing => return Ok(None),
            Need::Snapshot => Changes::Unknown,
            Need::Ask | Need::Changes => self.changes(tenant, cursor).await?,
        };
        if need == Need::Ask && changes == Changes::None {
            self.settled(tenant, cursor.as_of, head);
            return Ok(None);
        }
        let spooled = match (head.complete, changes) {
            (false, _) => None,
            (true, Changes::Of(kinds, followed)) if sink.takes_updates() => {
                self.update(sink, tenant, cursor, kinds, followed).await?
            }
            // Where the head has changes and the ledger has none, it went back between the two.
            (true, _) => self.everything(sink, tenant).await?,
        };
        if spooled.is_none() {
            self.waits(tenant, cursor.as_of);
        }
        Ok(spooled)
    }

    async fn everything(
        &self,
        sink: &dyn SnapshotSink,
        tenant: TenantId,
    ) -> Result<Option<Closing>, Error> {
        let snapshot = self.feed.snapshot(tenant, None).await?;
        let anew = self.wishes.resync.contains(&tenant);
        sink.spool(tenant, snapshot.anew(anew)).await
    }

    /// Spools the kinds that changed. What the sink shows then must be of one closing: where another kind changed
    /// before the snapshot was taken, everything is fetched.
    async fn update(
        &self,
        sink: &dyn SnapshotSink,
        tenant: TenantId,
        cursor: &Cursor,
        kinds: Kinds,
        followed: Cursor,
    ) -> Result<Option<Closing>, Error> {
        let update = Update {
            kinds: kinds.clone(),
            base: cursor.as_of,
        };
        let snapshot = self.feed.snapshot(tenant, Some(update)).await?;
        let Some(as_of) = sink.spool(tenant, snapshot).await? else {
            return Ok(None);
        };
        // The ledger must know the snapshot too, else it was restored meanwhile. Records are seen in their newest
        // state only, so one that changed after the snapshot may have changed before it as well.
        let (newer, mark) = (as_of >= followed.as_of, as_of);
        let same = newer
            && match self.changes(tenant, &Cursor { mark, ..followed }).await? {
                Changes::None => true,
                Changes::Of(since, _) => since.is_subset(&kinds),
                Changes::Unknown => false,
            };
        match same {
            true => Ok(Some(as_of)),
            false => self.everything(sink, tenant).await,
        }
    }

    /// The kinds that changed after a cursor.
    async fn changes(&self, tenant: TenantId, cursor: &Cursor) -> Result<Changes, Error> {
        let mut follow = self.feed.follow(tenant, cursor, BATCH).await?;
        let (mut kinds, mut at, mut records) = (Kinds::new(), cursor.clone(), 0);
        while let Some(batch) = follow.next().await? {
            let from = batch.from.as_ref().map(Cursor::from).unwrap_or_default();
            if take(&at, &from) == Taking::Ignore {
                continue;
            }
            records += batch.records.len();
            kinds.extend(
                batch
                    .records
                    .iter()
                    .filter_map(|r| RecordKind::from_name(&r.kind)),
            );
            at = batch.to.as_ref().map(Cursor::from).unwrap_or_default();
            if batch.snapshot_needed || records > MOST || kinds.len() == RecordKind::ALL.len() {
                return Ok(Changes::Unknown);
            }
        }
        Ok(match (records, kinds.is_empty()) {
            (0, _) => Changes::None,
            // Of kinds that this release doesn't know.
            (_, true) => Changes::Unknown,
            (_, false) => Changes::Of(kinds, at),
        })
    }

    /// Shows what was spooled: mark, sink, cursor, in this order.
    async fn publish(&mut self, sink: &dyn SnapshotSink, spooled: &Spooled) -> Result<(), Error> {
        let name = self.config.name().to_owned();
        let marks: Vec<_> = spooled
            .iter()
            .map(|(t, (cursor, as_of, _))| (*t, cursor.clone(), marked(cursor, *as_of)))
            .collect();
        let stand = self.store.save(&name, &marks).await?;
        let tenants: Vec<TenantId> = keys(spooled)
            .into_iter()
            .filter(|t| stand.contains(t))
            .collect();
        let written = sink.publish(&tenants).await?;
        let cursors: Vec<_> = marks
            .into_iter()
            .filter(|(t, ..)| stand.contains(t))
            .filter_map(|(t, _, mark)| {
                let cursor = advanced(&mark, &after_snapshot(spooled.get(&t)?.1));
                Some((t, mark, cursor))
            })
            .collect();
        let stand = self.store.save(&name, &cursors).await?;
        for (tenant, (_, as_of, head)) in spooled {
            if !stand.contains(tenant) {
                // Another exporter moved the cursor; the next look tells where it is.
                self.waits(*tenant, *as_of);
                continue;
            }
            self.wrote(*tenant, written.get(tenant).copied().unwrap_or(0));
            self.fulfilled(*tenant).await?;
            if *as_of >= head.changed {
                self.settled(*tenant, *as_of, *head);
            } else {
                // The ledger went back between its head and its snapshot; the next look tells.
                self.waits(*tenant, *as_of);
            }
        }
        Ok(())
    }
}

fn keys(spooled: &Spooled) -> Vec<TenantId> {
    spooled.keys().copied().collect()
}
