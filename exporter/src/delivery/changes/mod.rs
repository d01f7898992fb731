//! Sinks that are sent changes: several tenants side by side, each in turns, so that a large one doesn't hold up the
//! others, and pushes one after the other through the sink's [`Gate`].

mod batch;
mod course;
mod gate;
mod replay;
mod whole;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::ids::{Closing, TenantId};
use runtime::CancellationToken;
use tokio::time::Instant;

use super::{Try, Worker};
use crate::error::Error;
use crate::feed::Head;
use crate::sink::{ChangeSink, Refusal};

pub(crate) use batch::{known, wanted};
use course::{Course, Visit};
pub(crate) use gate::Gate;

/// Tenants of a sink that are looked at side by side: pushes wait for each other, reading the ledger needn't.
const AT_ONCE: usize = 8;

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
        let mut seen = self.board.read(|s| s.round);
        let mut queue: VecDeque<_> = due.into();
        let mut under_way = FuturesUnordered::new();
        let mut busy = BTreeMap::new();
        loop {
            while under_way.len() < AT_ONCE {
                let Some((tenant, head)) = queue.pop_front() else {
                    break;
                };
                let nothing_new = self.checked.get(&tenant) == Some(&head.closing);
                let resync = self.wishes.resync.contains(&tenant);
                let replay = self.wishes.replay.contains(&tenant);
                if nothing_new && !resync && !replay {
                    continue;
                }
                busy.insert(tenant, head);
                let course = &course;
                under_way.push(async move {
                    (tenant, course.visit(tenant, head, resync, replay).await)
                });
            }
            if under_way.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some((tenant, visited)) = under_way.next() => {
                    let Some(head) = busy.remove(&tenant) else { continue };
                    if self.visited(tenant, head, visited) {
                        queue.push_back((tenant, head));
                    }
                }
                // Whoever has news needn't wait until a large tenant is through.
                () = self.board.until(|s| s.round > seen) => {
                    let (round, heads, forced) = self
                        .board
                        .read(|s| (s.round, s.heads.clone(), s.forced > seen));
                    seen = round;
                    self.wish().await?;
                    let queued: BTreeSet<_> = queue.iter().map(|(t, _)| *t).collect();
                    let fresh = self.due(&heads, forced, true).into_iter();
                    queue.extend(fresh.filter(|(t, _)| !busy.contains_key(t) && !queued.contains(t)));
                }
            }
        }
    }

    /// Notes what came of a visit; true when there is more to do.
    fn visited(&mut self, tenant: TenantId, head: Head, visited: Result<Visit, Error>) -> bool {
        match visited {
            Ok(Visit::More) => return true,
            Ok(Visit::AtHead(as_of)) => self.settled(tenant, as_of, head),
            Ok(Visit::Waits(as_of)) => self.waits(tenant, as_of),
            Ok(Visit::Resynced) => {
                self.wishes.resync.remove(&tenant);
                self.checked.remove(&tenant);
                return true;
            }
            Ok(Visit::Replayed) => {
                self.wishes.replay.remove(&tenant);
                self.checked.remove(&tenant);
                return true;
            }
            Ok(Visit::Elsewhere) => self.elsewhere(tenant),
            Err(Error::Refused {
                source: Refusal::Late,
                ..
            }) => self.elsewhere(tenant),
            Err(Error::Held { until, .. }) => {
                // It isn't this tenant that failed.
                let failures = self.tries.get(&tenant).map_or(0, |t| t.failures);
                let problem = self.gate.why();
                self.checked.remove(&tenant);
                self.tries.insert(
                    tenant,
                    Try {
                        failures,
                        next: until,
                    },
                );
                self.board.note(self.number, tenant, |s| {
                    (s.settled, s.problem) = (None, Some(problem));
                });
            }
            Err(e) => self.failed([tenant], e),
        }
        false
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
