//! Tenants of a sink side by side, each in turns, so that neither a large one nor what one waits for holds up the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::ids::{Closing, TenantId};
use runtime::CancellationToken;

use super::{Try, Worker};
use crate::error::Error;
use crate::feed::Head;
use crate::sink::Refusal;

/// What came of a turn.
#[derive(Debug)]
pub(super) enum Visit {
    /// There may be more.
    More,
    /// Nothing is missing.
    AtHead(Closing),
    /// Something is missing, and comes when the ledger is complete or another exporter is done.
    Waits(Closing),
    /// The sink got everything anew.
    Resynced,
    /// The rejects that somebody wanted to be sent again were.
    Replayed,
    /// Another exporter is at it.
    Elsewhere,
}

/// How a sink of one sort is brought what it lacks.
pub(super) trait Course: Sync {
    /// How many tenants have their turns at the same time.
    fn at_once(&self) -> usize;

    /// A tenant's turn.
    fn visit(
        &self,
        tenant: TenantId,
        head: Head,
        resync: bool,
        replay: bool,
    ) -> impl Future<Output = Result<Visit, Error>> + Send;
}

impl Worker {
    /// Gives each tenant its turns, and those that have news meanwhile.
    pub(super) async fn beside(
        &mut self,
        course: &impl Course,
        due: Vec<(TenantId, Head)>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut seen = self.board.read(|s| s.round);
        let mut queue: VecDeque<_> = due.into();
        let mut under_way = FuturesUnordered::new();
        let mut busy = BTreeMap::new();
        loop {
            while under_way.len() < course.at_once() {
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
}
