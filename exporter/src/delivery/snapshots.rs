//! Bringing snapshots: all that changed are spooled, then shown together.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::ids::{Closing, TenantId};
use runtime::CancellationToken;
use tokio::time::Instant;

use super::Worker;
use super::need::{Need, need};
use crate::cursor::{Cursor, advanced, after_snapshot, marked};
use crate::error::Error;
use crate::feed::Head;
use crate::sink::SnapshotSink;

/// The longest that a spooled snapshot waits for those of other tenants. Each time costs as much as all files are
/// large, so not after every tenant.
const SHOW_EVERY: Duration = Duration::from_secs(60);

/// What was spooled and isn't shown: the cursor before it, the closing that it shows, and the head that was seen.
type Spooled = BTreeMap<TenantId, (Cursor, Closing, Head)>;

impl Worker {
    pub(super) async fn snapshots(
        &mut self,
        sink: &dyn SnapshotSink,
        due: &[(TenantId, Head)],
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        self.store.identify(&self.config).await?;
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
        let wants = match need(&head, cursor, shows, self.checked.get(&tenant).copied()) {
            Need::Nothing => return Ok(None),
            Need::Snapshot => true,
            // An empty answer means that the ledger knows the cursor and has nothing after it.
            Need::Ask => match self.feed.follow(tenant, cursor, 1).await?.next().await? {
                None => false,
                Some(batch) => batch.snapshot_needed || !batch.records.is_empty(),
            },
        };
        if !wants {
            self.settled(tenant, cursor.as_of, head);
            return Ok(None);
        }
        let spooled = match head.complete {
            true => {
                sink.spool(tenant, self.feed.snapshot(tenant).await?)
                    .await?
            }
            false => None,
        };
        if spooled.is_none() {
            self.waits(tenant, cursor.as_of);
        }
        Ok(spooled)
    }

    /// Shows what was spooled: mark, sink, cursor, in this order.
    async fn publish(&mut self, sink: &dyn SnapshotSink, spooled: &Spooled) -> Result<(), Error> {
        let name = self.config.name().to_owned();
        let marks: Vec<_> = spooled
            .iter()
            .map(|(t, (cursor, as_of, _))| (*t, marked(cursor, *as_of)))
            .collect();
        self.store.save(&name, &marks).await?;
        let written = sink.publish(&keys(spooled)).await?;
        let cursors: Vec<_> = marks
            .iter()
            .filter_map(|(t, mark)| Some((*t, advanced(mark, &after_snapshot(spooled.get(t)?.1)))))
            .collect();
        self.store.save(&name, &cursors).await?;
        for (tenant, (_, as_of, head)) in spooled {
            self.wrote(*tenant, written.get(tenant).copied().unwrap_or(0));
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
