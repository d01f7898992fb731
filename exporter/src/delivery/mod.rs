//! One sink's work: look at every ledger's head and bring what is missing, one tenant after the other.
//!
//! A tenant that fails is tried again after a delay of its own; it holds up neither the other tenants nor the other
//! sinks, each of which has a task of its own.

mod beside;
mod breaker;
mod changes;
mod lag;
mod need;
mod plan;
mod quiet;
mod rate;
mod rows;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::ids::{Closing, TenantId};
use runtime::error::{Chain, Problem};
use runtime::metrics::sinks as metrics;
use runtime::retry::{Backoff, until};
use runtime::{CancellationToken, Clock, trace};
use tokio::time::Instant;
use tracing::Span;

use crate::board::{Board, Standing};
use crate::config::SinkConfig;
use crate::error::Error;
use crate::feed::{Feed, Head, Heads};
use crate::lease::Leases;
use crate::sink::Sink;
use crate::store::{Place, Store};

pub(crate) use changes::{Gate, Wishes, known, wanted};
pub(crate) use lag::{lacks, stands};
pub(crate) use plan::{Delivered, digest, plan};
pub(crate) use quiet::Quiet;
pub(crate) use rate::Rate;

/// Delays of a tenant that fails.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(300),
};

/// When to look again at what another exporter is at.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// How often the records that a sink has are counted.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// Works for one sink.
pub(crate) struct Worker {
    pub board: Board,
    pub feed: Feed,
    pub store: Store,
    pub clock: Clock,
    pub config: SinkConfig,
    pub sink: Sink,
    /// The sink's place on the board.
    pub number: usize,
    /// Tenants that failed.
    pub tries: BTreeMap<TenantId, Try>,
    /// The newest closing of each ledger that was looked at to its end.
    pub checked: BTreeMap<TenantId, Closing>,
    /// Whose further closings are waited for.
    pub quiet: Quiet,
    /// Which of several exporters works.
    pub leases: Leases,
    /// Tenants that another exporter was at when they were looked at last.
    pub others: BTreeSet<TenantId>,
    /// The way into a sink that is sent changes.
    pub gate: Gate,
    /// What somebody wants of the sink.
    pub wishes: Wishes,
    /// When the memory of what was removed was looked at last.
    pub expired: Option<Instant>,
    /// When what it has was counted last.
    pub counted: Option<Instant>,
    /// Of how many tenants it lacked something when autoscalers were told last, and when that was.
    pub seen: Option<(u64, Instant)>,
}

/// A tenant that failed.
#[derive(Clone, Copy)]
pub(crate) struct Try {
    failures: u32,
    next: Instant,
}

impl Worker {
    /// Works until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Problem> {
        let mut passed = 0;
        loop {
            let retry = self.tries.values().map(|t| t.next);
            let retry = retry.chain(self.quiet.next()).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.board.until(|s| s.round > passed) => {}
                () = until(retry) => {}
            }
            let (round, heads, forced) = self
                .board
                .read(|s| (s.round, s.heads.clone(), s.forced > passed));
            self.pass(&heads, forced, round > passed, &stop).await;
            if stop.is_cancelled() {
                return Ok(());
            }
            passed = round;
            self.told().await;
            // Whoever waits for the delivery doesn't care whose it is.
            if self.others.is_empty() {
                self.board.passed(self.number, round);
            }
        }
    }

    /// The tenants that are to be looked at.
    fn due(&mut self, heads: &Heads, forced: bool, fresh: bool) -> Vec<(TenantId, Head)> {
        self.tries.retain(|tenant, _| heads.contains_key(tenant));
        self.others.retain(|tenant| heads.contains_key(tenant));
        self.quiet.retain(heads);
        let now = Instant::now();
        let mut due = Vec::new();
        for (tenant, head) in heads {
            let (tries, quiet) = (self.tries.get(tenant), self.quiet.waits(tenant));
            // Heads that were looked at before say nothing new, and may be older than what the sink shows.
            let due_now = match tries {
                Some(t) => forced || t.next <= now,
                None => fresh || quiet,
            };
            let waits = matches!(self.sink, Sink::Snapshots(_))
                && due_now
                && !self.quiet.lets_through(*tenant, head.changed, forced, now);
            if due_now && !waits && self.config.allows(*tenant) {
                due.push((*tenant, *head));
            }
        }
        due.iter()
            .for_each(|(tenant, _)| _ = self.others.remove(tenant));
        due
    }

    async fn pass(&mut self, heads: &Heads, forced: bool, fresh: bool, stop: &CancellationToken) {
        let due = self.due(heads, forced, fresh);
        if due.is_empty() {
            return;
        }
        if let Err(e) = self.wish().await {
            self.failed(due.iter().map(|(tenant, _)| *tenant), e);
            return;
        }
        match self.sink.clone() {
            Sink::Changes(sink) => {
                if forced {
                    self.gate.probe();
                }
                let tenants: Vec<_> = due.iter().map(|(tenant, _)| *tenant).collect();
                // What fails here is the exporter's database, and so every tenant.
                if let Err(e) = self.changes_of(sink.as_ref(), due, stop).await {
                    self.failed(tenants, e);
                }
            }
            Sink::Snapshots(sink) => {
                // What fails here is the sink as a whole, and so every tenant.
                if let Err(e) = self.snapshots(sink.as_ref(), &due, stop).await {
                    self.failed(due.iter().map(|(tenant, _)| *tenant), e);
                }
            }
            Sink::Rows(sink) => {
                let tenants: Vec<_> = due.iter().map(|(tenant, _)| *tenant).collect();
                if let Err(e) = self.rows_of(sink.as_ref(), due, stop).await {
                    self.failed(tenants, e);
                }
            }
        }
    }

    /// Looks up what somebody wants of the sink.
    async fn wish(&mut self) -> Result<(), Error> {
        let name = self.config.name();
        let mut resync = self.store.wishes(name).await?;
        let replay: BTreeSet<_> = match self.sink {
            Sink::Changes(_) | Sink::Snapshots(_) => {
                self.store.replaying(name).await?.into_iter().collect()
            }
            Sink::Rows(_) => BTreeSet::new(),
        };
        if matches!(self.sink, Sink::Snapshots(_)) {
            // What it refused comes again with everything else.
            resync.extend(&replay);
        }
        self.wishes = Wishes { resync, replay };
        Ok(())
    }

    /// The sink got everything of a tenant that somebody wanted it to get anew.
    async fn fulfilled(&mut self, tenant: TenantId) -> Result<(), Error> {
        if self.wishes.resync.remove(&tenant) {
            let place = Place::new(self.config.name(), tenant);
            self.store.fulfilled(&place).await?;
        }
        Ok(())
    }

    /// Nothing is missing.
    fn settled(&mut self, tenant: TenantId, as_of: Closing, head: Head) {
        // What the sink shows may be newer than the head; one that is seen below it again is another ledger's.
        let newest = as_of.max(head.closing);
        self.tries.remove(&tenant);
        self.checked.insert(tenant, newest);
        self.board.note(self.number, tenant, |s| {
            (s.as_of, s.settled, s.problem, s.oldest) = (as_of, Some(newest), None, None);
        });
    }

    /// Something is missing, and comes when the ledger is complete.
    fn waits(&mut self, tenant: TenantId, as_of: Closing) {
        self.tries.remove(&tenant);
        self.checked.remove(&tenant);
        self.board.note(self.number, tenant, |s| {
            (s.as_of, s.settled, s.problem) = (as_of, None, None)
        });
    }

    /// Tells the metrics what the sink lacks and has.
    async fn told(&mut self) {
        let behind: Vec<_> = self.board.read(|s| {
            let sink = s.sinks.get(self.number);
            let standings = sink.into_iter().flat_map(|sink| &sink.tenants);
            let of = |(tenant, standing): (&TenantId, &Standing)| {
                let allowed = s.heads.contains_key(tenant) && self.config.allows(*tenant);
                Some((standing.oldest.filter(|_| allowed)?, *tenant))
            };
            standings.filter_map(of).collect()
        });
        let now = self.clock.micros();
        let oldest = behind.iter().map(|(closing, _)| closing).min();
        let oldest = oldest.map_or(0, |c| now.saturating_sub(c.0));
        let name = self.config.name();
        metrics::lag(name, Duration::from_micros(oldest), behind.len() as u64);
        let fresh = |at: Instant| at.elapsed() < COUNT_EVERY;
        let lacked = behind.len() as u64;
        if self.leases.shared() && self.seen.is_none_or(|(n, at)| n != lacked || !fresh(at)) {
            // Where this fails, the next look tells it.
            let told = self.store.behind(name, &self.leases.holder, lacked).await;
            self.seen = told.is_ok().then(|| (lacked, Instant::now()));
        }
        if behind.is_empty() {
            metrics::records(name, "lacking", 0);
        }
        if self.counted.is_some_and(fresh) {
            return;
        }
        self.counted = Some(Instant::now());
        let tenants: Vec<_> = behind.into_iter().map(|(_, tenant)| tenant).collect();
        if !tenants.is_empty() {
            let count = lacks(&self.feed, &self.store, &self.sink, name, &tenants).await;
            metrics::records(name, "lacking", count);
        }
        if !matches!(self.sink, Sink::Changes(_)) {
            return;
        }
        // Where this fails the pass has failed too, and said so.
        if let (Ok(held), Ok(rejected)) =
            (self.store.held(name).await, self.store.rejected(name).await)
        {
            metrics::records(name, "delivered", held);
            metrics::records(name, "rejected", rejected);
        }
    }

    /// A span around what is brought of a tenant, linked to what announced it.
    fn delivering(&self, tenant: TenantId) -> Span {
        delivering(&self.board, self.config.name(), tenant)
    }

    /// Another exporter is at it.
    fn elsewhere(&mut self, tenant: TenantId) {
        let failures = self.tries.get(&tenant).map_or(0, |t| t.failures);
        let next = Instant::now() + ELSEWHERE;
        self.tries.insert(tenant, Try { failures, next });
        self.checked.remove(&tenant);
        self.others.insert(tenant);
    }

    /// Records reached the sink.
    fn wrote(&self, tenant: TenantId, records: u64) {
        let kind = self.config.kind();
        wrote(&self.board, self.number, kind, tenant, records);
    }

    /// These tenants failed, for one reason.
    fn failed(&mut self, tenants: impl IntoIterator<Item = TenantId>, e: Error) {
        let sink = self.config.name().to_owned();
        let chain = Chain(&e).to_string();
        let text = Problem::from(e).to_string();
        let mut known = true;
        let now = Instant::now();
        for tenant in tenants {
            let failures = self.tries.get(&tenant).map_or(0, |t| t.failures);
            let next = now + BACKOFF.delay(failures, spread(tenant, self.clock.micros()));
            self.tries.insert(
                tenant,
                Try {
                    failures: failures + 1,
                    next,
                },
            );
            self.checked.remove(&tenant);
            self.board.note(self.number, tenant, |s| {
                known &= s.problem.as_ref() == Some(&text);
                s.settled = None;
                s.problem = Some(text.clone());
            });
        }
        // A disk that stays full is news once.
        if known {
            tracing::debug!(sink, error = chain, "a sink still fails");
        } else {
            tracing::warn!(sink, error = chain, "a sink fails; it is tried again");
        }
    }
}

/// Records reached the sink that has this place on the board.
pub(crate) fn wrote(
    board: &Board,
    number: usize,
    kind: &'static str,
    tenant: TenantId,
    records: u64,
) {
    metrics::delivered(kind, records);
    board.note(number, tenant, |s| s.written += records);
}

/// A span around what is brought of a tenant into a sink, linked to what announced it: several announcements may be
/// answered by one delivery, and one by several.
pub(crate) fn delivering(board: &Board, sink: &str, tenant: TenantId) -> Span {
    let span = trace::step("deliver", &tenant, sink);
    span.record("leastwise.sink", sink);
    let cause = board.read(|s| s.traces.get(&tenant).cloned());
    trace::link_to(&span, cause.as_deref());
    span
}

/// A fraction that differs between tenants and moments, so that they don't come back all at once.
fn spread(tenant: TenantId, micros: u64) -> f64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (tenant, micros).hash(&mut hasher);
    f64::from(u16::try_from(hasher.finish() >> 48).unwrap_or(0)) / f64::from(u16::MAX)
}
