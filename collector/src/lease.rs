//! The work for one tenant under one lease: its datasets beside each other, each in a run of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use catalog::Declaration;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use proto::ids::{Attempt, TenantId, Timestamp};
use runtime::CancellationToken;
use runtime::metrics::schedule::{self as metrics, LeaseChange};
use runtime::trace;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::error::Error;
use crate::limit::Limiter;
use crate::schedule::Rest;
use crate::scheduler::{Inner, OTHERS_EVERY};
use crate::store::{Lease, Renewed, Row};
use crate::tenants::Tenant;
use crate::worker;

/// Work that lasts longer is long: it takes no place that others wait for.
pub const LONG: Duration = Duration::from_secs(30);

/// Whoever waits for the same moment comes back within this time after it.
const SPREAD: Duration = Duration::from_secs(5);

/// How the work for a tenant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more is due, or nothing may be done.
    Done,
    /// What is due is another collector's.
    Elsewhere,
    /// It lasts long, and as many others do already as may.
    Long,
}

/// What a dataset's end means for the others.
enum Next {
    /// Nothing.
    Go,
    /// The dataset is a newer release's.
    Leave,
    /// The tenant is another collector's.
    End,
}

/// Takes in that the work on a dataset has ended. False: the others end too.
fn note(
    (dataset, next): (&'static str, Next),
    running: &mut BTreeMap<&str, Instant>,
    left: &mut BTreeSet<&str>,
) -> bool {
    running.remove(dataset);
    if let Next::Leave = next {
        left.insert(dataset);
    }
    !matches!(next, Next::End)
}

impl Inner {
    /// How long a lease lasts without a heartbeat.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.shared.config.lease_seconds.max(3))
    }

    /// Works for one tenant while it has something due, under one lease.
    pub async fn tenant(&self, id: TenantId, stop: CancellationToken) -> Ended {
        let Some(tenant) = self.tenants.read().await.get(&id).cloned() else {
            return Ended::Done;
        };
        let (store, lasts) = (&self.shared.store, self.lease());
        let now = self.shared.now();
        let lease = match store.lease(id, &self.holder, now, lasts).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ended::Elsewhere,
            Err(e) => {
                tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "no lease on the tenant");
                return Ended::Done;
            }
        };
        metrics::lease(match lease.taken_over {
            true => LeaseChange::TakenOver,
            false => LeaseChange::Taken,
        });
        let (attempt, limiter) = (lease.attempt, self.limiter(id, lease));
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Done,
            () = self.beat(id, attempt, lasts, &limiter) => Ended::Done,
            () = self.is_long() => Ended::Long,
            ended = self.datasets(id, &tenant, attempt, &limiter) => ended,
        };
        // Err: the lease ends by itself.
        let _ = store.release(id, attempt, &limiter.store()).await;
        self.shared.touch();
        ended
    }

    /// What is known of a tenant's budgets: what this process knows, unless another one had the tenant meanwhile.
    fn limiter(&self, id: TenantId, lease: Lease) -> Arc<Limiter> {
        let limiters = self.limiters.lock();
        let mut limiters = limiters.unwrap_or_else(PoisonError::into_inner);
        let known = limiters.remove(&id).filter(|(by, _)| *by == lease.last);
        let (clock, free) = (&self.shared.clock, self.shared.config.free_share);
        let limiter = match known {
            Some((_, limiter)) => limiter,
            None => Arc::new(Limiter::new(clock.clone(), free, &lease.budgets)),
        };
        limiters.insert(id, (lease.attempt, Arc::clone(&limiter)));
        limiter
    }

    /// Renews the lease; returns when it was lost, or the tenant was paused.
    async fn beat(&self, id: TenantId, attempt: Attempt, lasts: Duration, limiter: &Limiter) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(lasts / 3) => {}
                () = limiter.learned() => {}
            }
            let (now, budgets) = (self.shared.now(), limiter.store());
            let store = &self.shared.store;
            let renewed = store.renew(id, attempt, now, lasts, &budgets);
            match renewed.await {
                Ok(Renewed::Held) => {}
                Ok(Renewed::Lost) => {
                    metrics::lease(LeaseChange::Lost);
                    tracing::warn!(tenant = %id, "the lease on the tenant was lost");
                    return;
                }
                Ok(Renewed::Paused) => {
                    tracing::info!(tenant = %id, "the tenant was paused");
                    return;
                }
                Err(e) => {
                    tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "the lease was not renewed");
                }
            }
        }
    }

    /// Gives the place free once the work turns out to be long, for a place among those whose work is; returns when
    /// there is none.
    async fn is_long(&self) {
        tokio::time::sleep(LONG).await;
        if let Ok(_place) = self.long.try_acquire() {
            self.wake.notify_one();
            std::future::pending().await
        }
    }

    /// Works on every dataset that is due, and on what becomes due meanwhile.
    async fn datasets(
        &self,
        id: TenantId,
        tenant: &Tenant,
        attempt: Attempt,
        limiter: &Limiter,
    ) -> Ended {
        let shared = &self.shared;
        // A page's number counts on for the whole lease: a second turn at a run must not give one again.
        let numbers = tenant.datasets.iter().map(|d| (d.name, AtomicU32::new(0)));
        let numbers: BTreeMap<&str, AtomicU32> = numbers.collect();
        let (mut turns, mut running) = (FuturesUnordered::new(), BTreeMap::new());
        let mut left = BTreeSet::new();
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable();
            // A turn that is not driven meanwhile may hold what this waits for; one that ends makes it old.
            let wakes = tokio::select! {
                wakes = shared.store.wakes(id) => wakes.unwrap_or_default(),
                Some(ended) = turns.next() => match note(ended, &mut running, &mut left) {
                    true => continue,
                    false => return Ended::Done,
                },
            };
            let (now, others) = (shared.now(), shared.store.is_shared());
            let due = |d: &&&'static Declaration| wakes.get(d.name).is_some_and(|at| *at <= now);
            for declaration in tenant.datasets.iter().filter(due) {
                let name = declaration.name;
                if self.are_enough(&running) {
                    break;
                }
                if left.contains(name) || running.contains_key(name) {
                    continue;
                }
                running.insert(name, Instant::now());
                let numbers = &numbers[name];
                turns.push(async move {
                    let turn = (attempt, numbers);
                    let span = trace::step("read", &id, name);
                    let done = worker::work(shared, id, tenant, declaration, turn, limiter);
                    let done = done.instrument(span.clone()).await;
                    let failed = done.as_ref().err().map(|e| e.problem().code);
                    trace::ended(&span, failed.as_deref());
                    drop(span);
                    let next = self.ended(id, declaration, attempt, done).await;
                    (declaration.name, next)
                });
            }
            if turns.is_empty() {
                return match left.is_empty() {
                    true => Ended::Done,
                    false => Ended::Elsewhere,
                };
            }
            let later = wakes.values().copied().filter(|at| *at > now);
            let poll = others.then(|| now.plus(OTHERS_EVERY));
            let wake = later
                .chain(poll)
                .chain([now.plus(LONG)])
                .fold(Timestamp(u64::MAX), Timestamp::min);
            tokio::select! {
                Some(ended) = turns.next() => {
                    if !note(ended, &mut running, &mut left) {
                        return Ended::Done;
                    }
                }
                () = news => {}
                () = shared.clock.sleep_until(wake.0) => {}
            }
        }
    }

    /// Whether so many datasets of a tenant are worked on that another one has to wait: the short ones, and of the long
    /// ones those above as many again.
    fn are_enough(&self, running: &BTreeMap<&str, Instant>) -> bool {
        let most = self.shared.config.concurrent_datasets.max(1);
        let long = running.values().filter(|since| since.elapsed() >= LONG);
        let long = long.count().min(most);
        running.len() - long >= most
    }

    /// Notes how the work on a dataset ended.
    async fn ended(
        &self,
        id: TenantId,
        declaration: &'static Declaration,
        attempt: Attempt,
        done: Result<(), Error>,
    ) -> Next {
        match done {
            Ok(()) => {}
            Err(Error::Fenced) => return Next::End,
            Err(e @ Error::Newer { .. }) => {
                tracing::warn!(tenant = %id, dataset = declaration.name, problem = %e.problem(), "left to a newer release");
                return Next::Leave;
            }
            Err(e) => self.failed(id, declaration, attempt, &e).await,
        }
        Next::Go
    }

    async fn failed(
        &self,
        id: TenantId,
        declaration: &'static Declaration,
        attempt: Attempt,
        e: &Error,
    ) {
        let (now, problem) = (self.shared.now(), e.problem());
        tracing::warn!(tenant = %id, dataset = declaration.name, %problem, "the run can't go on for now");
        let rest = match e.again() {
            _ if e.is_skip() => {
                metrics::skipped(declaration.name, &problem.code);
                Rest::Skipped(self.shared.config.cadence(declaration))
            }
            Some(wait) => Rest::Told(wait + SPREAD.mul_f64(fastrand::f64())),
            None => Rest::Growing,
        };
        let problem = problem.to_string();
        let note = move |row: &mut Row| row.schedule.failed(problem, rest, now);
        let rules = self.shared.config.rules(declaration);
        if let Err(e) = self
            .shared
            .store
            .update(id, &declaration.id(), Some(attempt), &rules, now, note)
            .await
        {
            tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "the failure was not noted");
        }
        self.shared.touch();
    }
}
