//! Who works for which tenant when: leases, wake-ups, failures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::Bus;
use proto::admin::v1::collector_admin_server::CollectorAdminServer;
use proto::ids::{Attempt, TenantId, Timestamp};
use runtime::db::Db;
use runtime::grpc::Channel;
use runtime::metrics::schedule as metrics;
use runtime::{CancellationToken, Clock, Problem};
use tokio::sync::{Notify, RwLock, Semaphore, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::config::Config;
use crate::error::Error;
use crate::hands::{Hands, Pick};
use crate::lease::Ended;
use crate::limit::Limiter;
use crate::population::Rosters;
use crate::shown;
use crate::store::{DUE, Store};
use crate::tenants::{self, Tenant};
use crate::verdicts;
use crate::worker::Shared;

/// The list of tenants is asked for again after this time.
const TENANTS_EVERY: Duration = Duration::from_secs(60);

/// Where other collectors share the database, what they and their operators did is looked for after this time.
pub const OTHERS_EVERY: Duration = Duration::from_secs(2);

/// What a collector works with.
pub struct Deps {
    /// The queue.
    pub bus: Bus,
    /// The database, opened with [`crate::MIGRATIONS`].
    pub db: Db,
    /// The token-broker.
    pub tokens: Channel,
    /// The way to Graph.
    pub http: runtime::http::Outbound,
    /// The time.
    pub clock: Clock,
    /// Names this process in leases.
    pub holder: String,
    /// True where a lock guarantees that no other collector works on the database: old leases end at start.
    pub alone: bool,
}

/// Reads Graph for the tenants of a pool.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    /// The scheduler has to look again.
    pub(crate) wake: Notify,
    /// So has whoever works for a tenant.
    pub(crate) news: Notify,
    pub(crate) tenants: RwLock<BTreeMap<TenantId, Tenant>>,
    /// Budgets of tenants that this process has had, and by which attempt.
    pub(crate) limiters: Mutex<BTreeMap<TenantId, (Attempt, Arc<Limiter>)>>,
    pub(crate) holder: String,
    /// Places of tenants whose work is long, beside those of the others.
    pub(crate) long: Semaphore,
    alone: bool,
}

impl Collector {
    /// A collector that does nothing yet.
    pub fn new(config: Config, deps: Deps) -> Self {
        let (scheduled, most) = (config.scheduled, config.concurrent_tenants.max(1));
        let shared = Shared {
            config,
            store: Store::new(deps.db, scheduled),
            bus: deps.bus,
            clock: deps.clock,
            tokens: deps.tokens,
            http: deps.http,
            rosters: Rosters::default(),
            changed: watch::Sender::new(0),
        };
        Collector(Arc::new(Inner {
            shared: Arc::new(shared),
            wake: Notify::new(),
            news: Notify::new(),
            long: Semaphore::new(most),
            tenants: RwLock::new(BTreeMap::new()),
            limiters: Mutex::default(),
            holder: deps.holder,
            alone: deps.alone,
        }))
    }

    /// The operator's service.
    pub fn admin(&self) -> CollectorAdminServer<Admin> {
        CollectorAdminServer::new(Admin(Arc::clone(&self.0)))
    }

    /// Works until `stop`.
    ///
    /// # Errors
    /// When the database or the queue fails for good.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Problem> {
        if self.0.alone {
            self.0
                .shared
                .store
                .void_leases()
                .await
                .map_err(|e| e.problem())?;
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(verdicts::consume(Arc::clone(&self.0), stop.clone()));
        let inner = Arc::clone(&self.0);
        let stopped = stop.clone();
        tasks.spawn(async move { inner.schedule(stopped).await.map_err(|e| e.problem()) });
        let (inner, stopped) = (Arc::clone(&self.0), stop.clone());
        tasks.spawn(async move {
            shown::show(&inner, &stopped).await;
            Ok(())
        });
        let mut outcome = Ok(());
        while let Some(done) = tasks.join_next().await {
            let done = done.unwrap_or_else(|e| {
                Err(Problem::new(
                    "LW-4090",
                    format!("a task of the collector ended: {e}."),
                    "report it",
                ))
            });
            if done.is_err() {
                stop.cancel();
                outcome = outcome.and(done);
            }
        }
        outcome
    }
}

impl Inner {
    async fn schedule(self: Arc<Self>, stop: CancellationToken) -> Result<(), Error> {
        let mut hands = Hands::default();
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let mut listed = None;
        while !stop.is_cancelled() {
            let now = self.shared.now();
            if listed.is_none_or(|t: Timestamp| now.since(t) >= TENANTS_EVERY) {
                match self.refresh().await {
                    Ok(()) => listed = Some(now),
                    Err(e) => {
                        tracing::warn!(error = %runtime::error::Chain(&e), "tenants not listed")
                    }
                }
            }
            hands.elsewhere.retain(|_, until| *until > now);
            let free = match self.free(now, &hands).await {
                Ok(free) => free,
                // A server that restarts must not end the process.
                Err(e) if self.shared.store.is_shared() => {
                    let problem = e.problem().to_string();
                    tracing::error!(problem, "no tenants are taken at present");
                    Vec::new()
                }
                Err(e) => return Err(e),
            };
            for tenant in free {
                let (inner, stop) = (Arc::clone(&self), stop.clone());
                let handle = tasks.spawn(async move { inner.tenant(tenant, stop).await });
                hands.busy.insert(tenant, handle.id());
            }
            let room = hands.room(self.most(), self.long.available_permits());
            let poll = match self.shared.store.is_shared() && room > 0 {
                true => now.plus(OTHERS_EVERY),
                false => now.plus(TENANTS_EVERY),
            };
            let wake = self.shared.store.next_wake(now).await;
            let next = match wake {
                Err(_) if self.shared.store.is_shared() => None,
                wake => wake?,
            };
            let next = next
                .into_iter()
                .chain(hands.elsewhere.values().copied())
                .fold(poll, Timestamp::min);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = self.shared.clock.sleep_until(next.0) => {}
                Some(done) = tasks.join_next_with_id() => {
                    let (id, ended) = match done {
                        Ok((id, ended)) => (id, ended),
                        Err(e) => {
                            tracing::error!(error = %e, "the work for a tenant ended abnormally");
                            (e.id(), Ended::Done)
                        }
                    };
                    hands.ended(id, ended, self.shared.now().plus(self.lease() / 3));
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Tenants to work for at the same time, without those whose work is long.
    fn most(&self) -> usize {
        self.shared.config.concurrent_tenants.max(1)
    }

    /// Tenants of ours that have something due and that nobody works for, latest first, as many as there is room for.
    async fn free(&self, now: Timestamp, hands: &Hands) -> Result<Vec<TenantId>, Error> {
        let store = &self.shared.store;
        let waits = store.latest(&self.holder, now).await?;
        metrics::latest(waits.map_or(Duration::ZERO, |at| now.since(at)));
        let mut pick = Pick::new(hands, self.most(), self.long.available_permits());
        let ours = self.tenants.read().await;
        let mut last = None;
        while !pick.is_full() {
            let due = store.due(&self.holder, now, last.as_ref()).await?;
            let tenants = due.iter().filter_map(|d| d.tenant.parse().ok());
            tenants
                .filter(|t| ours.contains_key(t))
                .for_each(|t| pick.offer(t));
            let end = due.len() < DUE;
            last = due.into_iter().last();
            if end {
                break;
            }
        }
        Ok(pick.taken())
    }

    /// Something became due: whoever waits looks.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
        self.news.notify_waiters();
    }

    /// Lists the tenants, and makes rows for datasets that are new.
    pub(crate) async fn refresh(&self) -> Result<(), Problem> {
        let list = tenants::list(&self.shared.tokens, &self.shared.config.pool).await?;
        let known = self.shared.store.known().await.map_err(|e| e.problem())?;
        for (id, tenant) in list.iter().filter(|(_, t)| !t.removed) {
            for dataset in &tenant.datasets {
                let name = (*id, dataset.id());
                if !known.contains(&name) {
                    self.shared
                        .store
                        .ensure(*id, &name.1, self.shared.now())
                        .await
                        .map_err(|e| e.problem())?;
                }
            }
        }
        let limiters = self.limiters.lock();
        limiters
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| list.contains_key(id));
        *self.tenants.write().await = list;
        self.shared.touch();
        Ok(())
    }
}
