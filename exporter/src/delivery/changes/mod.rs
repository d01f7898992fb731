//! Sinks that are sent changes: several tenants side by side, and pushes one after the other through the sink's [`Gate`].

mod batch;
mod course;
mod gate;
mod replay;
mod whole;

use std::collections::BTreeSet;
use std::time::Duration;

use proto::ids::{Closing, TenantId};
use runtime::CancellationToken;
use tokio::time::Instant;

use super::Worker;
use crate::error::Error;
use crate::feed::Head;
use crate::sink::ChangeSink;

pub(crate) use batch::{known, wanted};
use course::Course;
pub(crate) use gate::Gate;

/// How long the sink's memory of what was removed is kept: as long as the ledger's.
const REMOVED: Duration = Duration::from_secs(90 * 86_400);

/// How often that is looked at.
const EXPIRE_EVERY: Duration = Duration::from_secs(86_400);

/// What a sink is to be brought of a tenant besides what is new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// Everything.
    pub resync: BTreeSet<TenantId>,
    /// Rejects that are to be sent again.
    pub replay: BTreeSet<TenantId>,
}

impl Worker {
    pub(super) async fn changes_of(
        &mut self,
        sink: &dyn ChangeSink,
        due: Vec<(TenantId, Head)>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        self.store.identify(&self.config).await?;
        self.expire().await?;
        let course = Course {
            feed: self.feed.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            leases: self.leases.clone(),
            board: self.board.clone(),
            number: self.number,
            name: self.config.name().to_owned(),
            kind: self.config.kind(),
            gate: self.gate.clone(),
            sink,
            stop,
        };
        self.beside(&course, due, stop).await
    }

    /// Forgets what was removed long ago, once a day.
    async fn expire(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.expired.is_some_and(|at| now - at < EXPIRE_EVERY) {
            return Ok(());
        }
        let kept = u64::try_from(REMOVED.as_micros()).unwrap_or(u64::MAX);
        let before = self.clock.micros().saturating_sub(kept);
        self.store.expire(self.config.name(), before).await?;
        self.expired = Some(now);
        Ok(())
    }
}

/// Above every number that a ledger which knew this much may have given.
fn floor(cursor: &crate::cursor::Cursor) -> Closing {
    Closing(cursor.as_of.max(cursor.mark).0 + 1)
}
